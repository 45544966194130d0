import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { BusbarError, type Clock } from "@busbar/core";
import type { HttpAnswer } from "./http-answer.ts";

/** Where requests go, and how. */
export interface RequesterOptions {
  readonly url: string;
  readonly method: "POST" | "PUT";
  /** Milliseconds until the whole answer must have come. */
  readonly timeout: number;
  readonly clock: Clock;
  /** PEM of the authorities, the client's chain and its key; undefined = the runtime's own, none. */
  readonly tls: { readonly ca?: Buffer | undefined; readonly cert?: Buffer | undefined; readonly key?: Buffer | undefined };
}

/** Sends requests to one address over connections that are kept. */
export interface Requester {
  /**
   * Sends one request. Redirects are not followed: they come back as answers.
   * @throws {BusbarError} TIMEOUT, or UNAVAILABLE when there is no whole answer; the signal's reason when it aborts.
   */
  send(body: Uint8Array, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HttpAnswer>;
  /** Closes the connections. */
  close(): void;
}

/** Bytes of an answer that are kept, for its reason and the messages it names. */
const keptBytes = 64 * 1024;
/** An answer longer than this is not read to its end: its connection is closed instead. */
const readBytes = 1024 * 1024;

/** Makes a requester. It uses node:http(s) and not fetch: only there can both runtimes be given a certificate authority. */
export function createRequester({ url, method, timeout, clock, tls }: RequesterOptions): Requester {
  const target = new URL(url);
  const secure = target.protocol === "https:";
  // No limit of sockets: on Deno a request that was destroyed does not always give its place back.
  const agent = secure ? new HttpsAgent({ keepAlive: true, ...defined(tls) }) : new HttpAgent({ keepAlive: true });
  return {
    send(body, headers, signal) {
      return new Promise<HttpAnswer>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const request = (secure ? httpsRequest : httpRequest)(target, { method, agent, headers: { ...headers, "content-length": String(body.length) } });
        const settle = (finish: () => void): void => {
          cancel();
          signal.removeEventListener("abort", abort);
          finish();
        };
        const fail = (error: unknown): void => settle(() => {
          request.destroy();
          reject(error);
        });
        const abort = (): void => fail(signal.reason);
        const cancel = clock.after(timeout, () => fail(new BusbarError("TIMEOUT", `Cannot reach ${target.host}: no whole answer within ${timeout} ms`)));
        const broken = (error: Error): void => fail(new BusbarError("UNAVAILABLE", `Cannot reach ${target.host}`, { cause: error }));
        signal.addEventListener("abort", abort, { once: true });
        request.on("error", broken);
        request.on("response", (response) => {
          read(response, (text) => settle(() => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })), broken);
        });
        request.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}

/** Reads an answer to its end, so that its connection can be used again. */
function read(response: IncomingMessage, done: (text: string) => void, broken: (error: Error) => void): void {
  const kept: Buffer[] = [];
  let size = 0;
  const finish = (): void => done(Buffer.concat(kept).subarray(0, keptBytes).toString("utf8"));
  response.on("data", (chunk: Buffer) => {
    if (size < keptBytes) kept.push(chunk);
    size += chunk.length;
    if (size <= readBytes) return;
    finish();
    response.destroy();
  });
  response.on("end", finish);
  response.on("error", broken);
  response.on("close", () => response.complete || broken(new Error("the connection broke in the middle of the answer")));
}

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;
}
