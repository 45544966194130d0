import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { until } from "@busbar/core/testkit";

/** A request as the server saw it. */
export interface SeenRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  readonly messages: readonly { readonly msgid: string; readonly from: string; readonly offset: number; readonly payload: unknown; readonly late?: boolean }[];
  readonly lane: string;
  readonly late: boolean;
}

/** Answers one request. "taken": it was taken whatever becomes of the answer. */
export type Behaviour = (request: SeenRequest, response: ServerResponse, incoming: IncomingMessage) => "taken" | void;

/** An HTTP server that a test tells what to answer. */
export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  /** Every request whose body arrived whole. */
  readonly requests: readonly SeenRequest[];
  /** Requests that were taken: answered with 2xx, whether or not the answer has arrived. */
  readonly taken: readonly SeenRequest[];
  /** Connections that were opened so far. */
  readonly connections: number;
  /** What the next requests are answered with, one each; when none is left, `otherwise`. */
  script: Behaviour[];
  otherwise: Behaviour;
  /** Resolves when `done()` is true, 20 s at the most. */
  until(done: () => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Answers with a status, headers and a body. */
export const answer = (status: number, headers: Readonly<Record<string, string>> = {}, body = ""): Behaviour => (_request, response) => void response.writeHead(status, headers).end(body);

/** Says nothing at all. */
export const hang: Behaviour = () => {};

/** Breaks the connection in the middle of the answer. */
export const reset: Behaviour = (_request, response) => {
  response.writeHead(200, { "content-length": "100" });
  response.write("half of it");
  setImmediate(() => response.destroy());
};

/** Takes the request, but the answer never arrives. */
export const lose: Behaviour = (_request, response) => {
  response.destroy();
  return "taken";
};

/** Starts the server on a free port of this machine, or on `port`. */
export async function scriptedServer(port = 0): Promise<ScriptedServer> {
  const requests: SeenRequest[] = [];
  const taken: SeenRequest[] = [];
  let connections = 0;
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("error", () => {});
    response.on("error", () => {});
    incoming.on("end", () => {
      const bytes = Buffer.concat(chunks);
      const request = parse(incoming, incoming.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes);
      requests.push(request);
      response.on("finish", () => {
        if (response.statusCode < 300 && response.writableFinished) taken.push(request);
      });
      if ((self.script.shift() ?? self.otherwise)(request, response, incoming) === "taken") taken.push(request);
    });
  });
  server.on("connection", () => connections++);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const self: ScriptedServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    requests,
    taken,
    get connections() {
      return connections;
    },
    script: [],
    otherwise: answer(200),
    until: async (done) => {
      await until("the server has seen what it should", done, { show: () => `${requests.length} requests, ${taken.length} of them taken` });
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
    [Symbol.asyncDispose]: () => self.close(),
  };
  return self;
}

function parse(incoming: IncomingMessage, bytes: Buffer): SeenRequest {
  const body = bytes.toString("utf8");
  const headers = incoming.headers as SeenRequest["headers"];
  if (headers["content-type"] !== "application/json") return { headers, body, messages: [], lane: "", late: false };
  const { messages, lane, late } = JSON.parse(body) as Pick<SeenRequest, "messages" | "lane" | "late">;
  return { headers, body, messages, lane, late };
}
