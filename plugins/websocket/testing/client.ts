import { WebSocket, type ClientOptions } from "ws";
import { Arrivals } from "./arrivals.ts";
import { deadline } from "./deadline.ts";

/** A frame of the server: its bytes, and what it says where it is JSON. */
export interface ServerFrame {
  readonly bytes: Buffer;
  readonly binary: boolean;
  readonly json: Readonly<Record<string, unknown>>;
}

/** A client on the `ws` package that speaks JSON. */
export class Client {
  readonly ws: WebSocket;
  readonly frames = new Arrivals<ServerFrame>();
  readonly pings = new Arrivals<Buffer>();
  readonly #closed: Promise<{ readonly code: number; readonly reason: string }>;

  constructor(url: string, protocols: readonly string[], options: ClientOptions) {
    this.ws = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options });
    this.ws.on("message", (bytes: Buffer, binary: boolean) => this.frames.push({ bytes, binary, json: binary ? {} : (JSON.parse(bytes.toString()) as ServerFrame["json"]) }));
    this.ws.on("ping", (data: Buffer) => this.pings.push(data));
    this.#closed = new Promise((resolve) => {
      this.ws.on("close", (code, reason) => {
        this.frames.end(`closed with ${code}`);
        this.pings.end(`closed with ${code}`);
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** How the connection ends. @throws {Error} when it does not within 5 s. */
  get closed(): Promise<{ readonly code: number; readonly reason: string }> {
    return deadline(this.#closed, "the connection is closed");
  }

  /** Resolves when the handshake is done. @throws {Error} when it is refused. */
  opened(): Promise<this> {
    return new Promise((resolve, reject) => {
      this.ws.once("open", () => resolve(this));
      this.ws.on("error", reject); // later ones too: "close" says how it ended
    });
  }

  send(frame: unknown): void {
    this.ws.send(JSON.stringify(frame));
  }

  /** Sends text or bytes as they are. */
  sendRaw(data: string | Uint8Array, binary = typeof data !== "string"): void {
    this.ws.send(data, { binary });
  }

  async login(token: string): Promise<this> {
    this.send({ type: "auth", deviceId: token.split(":")[0], token });
    await this.next("auth_response");
    return this;
  }

  async subscribe(topic: string, more: object = {}): Promise<this> {
    this.send({ type: "subscribe", topic, ...more });
    await this.next("subscribed");
    return this;
  }

  /** The next JSON frame of that type, leaving out others. */
  async next(type: string): Promise<ServerFrame["json"]> {
    return (await this.frames.next(({ json }) => json["type"] === type)).json;
  }

  /** Resolves when the server has worked through all that was sent so far. */
  async settled(): Promise<void> {
    this.send({ type: "ping" });
    await this.next("pong");
  }
}
