import { connect, type Socket } from "node:net";
import { within } from "./within.ts";

/** A client without any library: it sends bytes that no library would. */
export class RawSocket {
  readonly socket: Socket;
  /** Everything that came, as latin1: a character is a byte. */
  received = "";
  closed = false;
  #watchers: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1" });
    this.socket.on("connect", () => this.#changed());
    this.socket.on("data", (chunk: Buffer) => {
      this.received += chunk.toString("latin1");
      this.#changed();
    });
    this.socket.on("error", () => {}); // "close" follows
    this.socket.on("close", () => {
      this.closed = true;
      this.#changed();
    });
  }

  /** Resolves when the connection is open. */
  async opened(): Promise<this> {
    await this.#until("a connection", () => this.closed || !this.socket.connecting);
    return this;
  }

  /** Sends bytes, or text as latin1. What comes after the other side has closed is lost without a word, as on a wire. */
  write(bytes: Uint8Array | string): this {
    if (!this.closed && !this.socket.destroyed) this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    return this;
  }

  /** Resolves when the other side has ended the connection. */
  async ended(limit?: number): Promise<this> {
    await this.#until("the gateway ends the connection", () => this.closed, limit);
    return this;
  }

  /** Resolves when what came matches. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return (await this.#until(`${pattern} comes`, () => pattern.exec(this.received) ?? false)) as RegExpExecArray;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #changed(): void {
    for (const look of [...this.#watchers]) look();
  }

  /** Looks now, and whenever something has happened on the connection. */
  async #until<T>(what: string, look: () => T | false, limit?: number): Promise<T> {
    let watcher = (): void => {};
    try {
      return await within(new Promise<T>((resolve) => {
        watcher = () => {
          const found = look();
          if (found !== false) resolve(found);
        };
        this.#watchers.push(watcher);
        watcher();
      }), `${what} (came so far: ${JSON.stringify(this.received.slice(-200))})`, limit);
    } finally {
      this.#watchers = this.#watchers.filter((one) => one !== watcher);
    }
  }
}
