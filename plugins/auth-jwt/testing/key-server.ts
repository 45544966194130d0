import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

/** What the server answers with. */
export interface KeyAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Does not answer at all. */
  readonly silent?: boolean;
}

/** For tests only: an HTTP server that publishes a key set, or does what it should not. */
export interface KeyServer extends AsyncDisposable {
  readonly url: string;
  /** How often it was asked. */
  readonly asked: number;
  /** The headers of the last request. */
  readonly headers: IncomingHttpHeaders;
  /** What it answers from now on: these keys, or anything else. */
  answer(next: { readonly keys: readonly object[] } | KeyAnswer): void;
  close(): Promise<void>;
}

/** Starts it on a free port of this machine. */
export async function startKeyServer(first: { readonly keys: readonly object[] } | KeyAnswer = { keys: [] }): Promise<KeyServer> {
  let current = first;
  let asked = 0;
  let headers: IncomingHttpHeaders = {};
  const server = createServer((request, response) => {
    asked++;
    headers = request.headers;
    if ("keys" in current) return void response.setHeader("content-type", "application/jwk-set+json").end(JSON.stringify(current));
    if (current.silent) return;
    response.writeHead(current.status ?? 200, { ...current.headers }).end(current.body ?? "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    get asked() {
      return asked;
    },
    get headers() {
      return headers;
    },
    answer: (next) => void (current = next),
    close,
    [Symbol.asyncDispose]: close,
  };
}
