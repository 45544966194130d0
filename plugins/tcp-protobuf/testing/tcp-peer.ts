import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { fromBinary, toBinary, create, type MessageInitShape } from "@bufbuild/protobuf";
import { varintFraming } from "@busbar/core";
import { FrameSchema, type Frame } from "@busbar/core/proto/gen/busbar/v1/envelope_pb.ts";

/** A peer of a listener in a test: sends frames or raw bytes, waits for frames or for the end. */
export class TcpPeer implements AsyncDisposable {
  readonly socket: Socket;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #frames: Uint8Array[] = [];
  #wake: () => void = () => {};
  #ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {}); // a reset is an end like any other here
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    void this.closed.then(() => {
      this.#ended = true;
      this.#wake();
    });
    const deframer = varintFraming.createDeframer(1 << 24);
    socket.on("data", (chunk: Buffer) => {
      deframer.push(chunk, (bytes, start, end) => this.#frames.push(bytes.slice(start, end)));
      this.#wake();
    });
  }

  /** Connects to what a listener announced: `tcp://127.0.0.1:7000` or `tls://…`. */
  static async connect(url: string, tls: ConnectionOptions = {}): Promise<TcpPeer> {
    const { hostname, port, protocol } = new URL(url);
    const at = { host: hostname, port: Number(port) };
    const socket = protocol === "tls:" ? connectTls({ ...tls, ...at }) : connectTcp(at);
    await once(socket, protocol === "tls:" ? "secureConnect" : "connect");
    return new TcpPeer(socket);
  }

  /** Sends one frame with its length in front. */
  send(payload: Uint8Array): void {
    this.socket.write(varintFraming.frame(payload));
  }

  /** Sends a frame of the `envelope` codec. */
  say(frame: MessageInitShape<typeof FrameSchema>["frame"]): void {
    this.send(toBinary(FrameSchema, create(FrameSchema, { frame: frame! })));
  }

  /** The next frame from the listener; undefined when the connection ended instead. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#frames.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#frames.shift();
  }

  /** The next frame of the `envelope` codec. @throws {Error} when the connection ended instead. */
  async hear(): Promise<Frame["frame"]> {
    const bytes = await this.next();
    if (bytes === undefined) throw new Error("the connection ended");
    return fromBinary(FrameSchema, bytes).frame;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}
