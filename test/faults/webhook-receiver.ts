import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Found, Verdict } from "./verdict.ts";

/**
 * How the receiver behaves: `ok`; answers `500`, or `429` with a Retry-After of a second, without taking anything; `hang`: takes nothing and never answers; `reset`: takes everything and
 * breaks the connection instead of saying so; `down`: nobody listens.
 */
export type WebhookMode = "ok" | "500" | "429" | "hang" | "reset" | "down";

/** A receiver of webhooks that behaves as it is told and hands what it has taken to a verdict. */
export class WebhookReceiver implements AsyncDisposable {
  /** Requests in which nothing was new, as told by their messages. */
  repeatedRequests = 0;
  /** Of these, such whose Idempotency-Key was not known. */
  newKeys = 0;
  requests = 0;
  readonly #verdict: Verdict;
  readonly #keys = new Set<string>();
  #server: Server | undefined;
  #port = 0;
  #mode: WebhookMode = "ok";

  private constructor(verdict: Verdict) {
    this.#verdict = verdict;
  }

  /** Opens one on a free port, which stays the same. */
  static async open(verdict: Verdict): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(verdict);
    await receiver.#listen();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/messages`;
  }

  /** Changes how it behaves; open connections end where it goes down or comes back. */
  async behave(mode: WebhookMode): Promise<void> {
    const before = this.#mode;
    this.#mode = mode;
    if (mode === "down") await this.#close();
    else if (before === "down") await this.#listen();
    else if (before === "hang") this.#server?.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #listen(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response).catch(() => request.destroy()));
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async #close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    this.requests++;
    switch (this.#mode) {
      case "500":
        return void response.writeHead(500).end();
      case "429":
        return void response.writeHead(429, { "retry-after": "1" }).end();
      case "hang":
      case "down":
        return;
      case "reset":
        this.#take(request, body);
        return void request.socket.destroy();
      case "ok":
        this.#take(request, body);
        return void response.writeHead(200).end();
    }
  }

  #take(request: IncomingMessage, body: string): void {
    const { lane, messages } = JSON.parse(body) as { readonly lane: string; readonly messages: readonly Found[] };
    const before = this.#verdict.found;
    for (const message of messages) this.#verdict.take({ ...message, lane });
    const key = String(request.headers["idempotency-key"]);
    if (this.#verdict.found === before) {
      this.repeatedRequests++;
      if (!this.#keys.has(key)) this.newKeys++;
    }
    this.#keys.add(key);
    for (const old of this.#keys) {
      if (this.#keys.size <= 1000) break;
      this.#keys.delete(old);
    }
  }
}
