import { connect, type Socket } from "node:net";
import { Arrivals } from "./arrivals.ts";
import { deadline } from "./deadline.ts";

/** A frame as it was on the wire. */
export interface RawFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: Buffer;
}

/** What a hand-made frame may get wrong. */
export interface FrameOptions {
  readonly fin?: boolean;
  /** The three reserved bits. Default 0. */
  readonly rsv?: number;
  readonly masked?: boolean;
  /** The length that the header says, where it is not the payload's. */
  readonly length?: number;
}

/** Makes a client's frame (RFC 6455 §5.2); the mask is all zeros, so the payload is readable. */
export function rawFrame(opcode: number, payload: string | Uint8Array = "", { fin = true, rsv = 0, masked = true, length }: FrameOptions = {}): Buffer {
  const body = Buffer.from(payload);
  const size = length ?? body.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  if (size < 126) head[1] = mask | size;
  else if (size < 65_536) {
    head[1] = mask | 126;
    head.writeUInt16BE(size, 2);
  } else {
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), body]);
}

/** A client without any library: it sends what no library would, and reads only when told to. */
export class RawClient {
  readonly socket: Socket;
  readonly frames = new Arrivals<RawFrame>();
  readonly #ended: Promise<void>;
  /** Resolves with the head of the answer to the upgrade request. */
  readonly upgraded: Promise<string>;
  #buffered: Buffer = Buffer.alloc(0);
  #upgraded = false;

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1" });
    this.socket.on("error", () => {}); // "close" follows
    let gone = (): void => {};
    this.#ended = new Promise((resolve) => (gone = resolve));
    this.upgraded = new Promise((resolve) => {
      this.socket.on("data", (chunk) => {
        this.#buffered = Buffer.concat([this.#buffered, chunk as Buffer]);
        if (!this.#upgraded) this.#head(resolve);
        if (this.#upgraded) this.#cut();
      });
      this.socket.on("close", () => {
        resolve(this.#buffered.toString("latin1"));
        this.frames.end("the connection is gone");
        gone();
      });
    });
  }

  /** Resolves when the connection is gone. @throws {Error} when it is not within 5 s. */
  get ended(): Promise<void> {
    return deadline(this.#ended, "the connection is gone");
  }

  /** Sends an upgrade request, and right behind it, in the same write, `frames`. */
  upgrade(path: string, { headers = [], frames = [] }: { readonly headers?: readonly string[]; readonly frames?: readonly Buffer[] } = {}): void {
    const lines = [`GET ${path} HTTP/1.1`, "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", ...headers, "", ""];
    this.socket.write(Buffer.concat([Buffer.from(lines.join("\r\n")), ...frames]));
  }

  write(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** Sends the same bytes again and again, as fast as they are taken. Resolves when the connection fails. */
  flood(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      const more = (error?: Error | null): void => void (error || this.socket.destroyed ? resolve() : this.socket.write(bytes, more));
      more();
    });
  }

  sendJson(...messages: readonly unknown[]): void {
    this.write(...messages.map((message) => rawFrame(1, JSON.stringify(message))));
  }

  /** The close code of the server's close frame, leaving out all other frames. */
  async closeCode(): Promise<number> {
    const { payload } = await this.frames.next(({ opcode }) => opcode === 8);
    return payload.readUInt16BE(0);
  }

  async json(type: string): Promise<Readonly<Record<string, unknown>>> {
    const { payload } = await this.frames.next(({ opcode, payload }) => opcode === 1 && (JSON.parse(payload.toString()) as { type: string }).type === type);
    return JSON.parse(payload.toString()) as Readonly<Record<string, unknown>>;
  }

  #head(resolve: (head: string) => void): void {
    const end = this.#buffered.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#buffered.toString("latin1", 0, end);
    if (!head.startsWith("HTTP/1.1 101 ")) return; // the body follows, and then the end
    this.#upgraded = true;
    this.#buffered = this.#buffered.subarray(end + 4);
    resolve(head);
  }

  #cut(): void {
    for (;;) {
      const bytes = this.#buffered;
      if (bytes.length < 2) return;
      const short = bytes[1]! & 127;
      const start = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < start) return;
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
      if ((bytes[1]! & 0x80) !== 0 || (bytes[0]! & 0x70) !== 0) {
        this.frames.end("a server's frame is neither masked nor has reserved bits");
        return;
      }
      if (bytes.length < start + length) return;
      this.frames.push({ opcode: bytes[0]! & 15, fin: (bytes[0]! & 0x80) !== 0, payload: bytes.subarray(start, start + length) });
      this.#buffered = bytes.subarray(start + length);
    }
  }
}
