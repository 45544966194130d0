import type { Duplex } from "node:stream";
import { BusbarError, type Clock } from "@busbar/core";
import mqttPacket, { type Packet } from "mqtt-packet";
import { endedBy, type SessionEnd } from "./reason-code.ts";

/** What is behind a packet stream. */
export interface PacketStreamOptions {
  readonly clock: Clock;
  readonly version: 4 | 5;
  /** Bytes of the longest packet taken. */
  readonly maxReceive: number;
  readonly onPacket: (packet: Packet) => void;
  /** After the packets of each chunk that came. */
  readonly onRead: () => void;
  readonly onEnd: (end: SessionEnd) => void;
}

/** MQTT packets over a byte stream, which it owns: reads them with a limit, writes what is sent within a turn of the event loop at once. */
export class PacketStream {
  /** Milliseconds since the Unix epoch: when something was last written. */
  lastSent = 0;
  /** Milliseconds since the Unix epoch: when something last came; now, while reading is on hold. */
  lastReceived: number;
  readonly #stream: Duplex;
  readonly #options: PacketStreamOptions;
  readonly #parser: ReturnType<typeof mqttPacket.parser>;
  #unsent: Buffer[] = [];
  #written: (() => void)[] = [];
  #holds = 0;
  #open = true;

  constructor(stream: Duplex, options: PacketStreamOptions) {
    this.#stream = stream;
    this.#options = options;
    this.lastReceived = options.clock.now();
    this.#parser = mqttPacket.parser({ protocolVersion: options.version });
    this.#parser.on("packet", (packet) => this.#open && options.onPacket(packet));
    this.#parser.on("error", (error: Error) => this.#fail(endedBy(new BusbarError("UNAVAILABLE", `the broker sent what is not MQTT: ${error.message}`, { cause: error }), "blamed")));
    const closed = (): void => this.#fail(endedBy(new BusbarError("UNAVAILABLE", "the broker closed the connection"), "suspect"));
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("error", (error) => this.#fail(endedBy(error, "suspect")));
    stream.on("end", closed);
    stream.on("close", closed);
  }

  /** Sends a packet. */
  write(packet: Packet): void {
    this.send(this.encode(packet));
  }

  encode(packet: Packet): Buffer {
    return mqttPacket.generate(packet, { protocolVersion: this.#options.version });
  }

  /** Sends a packet that is encoded; `written` is called once it is handed to the network, and never when the connection ends first. */
  send(bytes: Buffer, written?: () => void): void {
    if (written) this.#written.push(written);
    if (this.#unsent.push(bytes) === 1) queueMicrotask(() => this.#flush());
  }

  /** Stops reading until the function it returns is called. */
  hold(): () => void {
    if (this.#holds++ === 0) this.#stream.pause();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.lastReceived = this.#options.clock.now();
      if (--this.#holds === 0 && this.#open) this.#stream.resume();
    };
  }

  /** Whether nothing waits to be written. */
  get idle(): boolean {
    return this.#unsent.length === 0;
  }

  /** Whether reading is on hold. */
  get held(): boolean {
    return this.#holds > 0;
  }

  /** Ends at once. */
  destroy(): void {
    this.#open = false;
    this.#stream.destroy();
  }

  /** Ends once everything is written, after a second at the latest. Resolves then. */
  end(): Promise<void> {
    this.#flush();
    this.#open = false;
    return new Promise((resolve) => {
      if (this.#stream.closed) return resolve();
      const cancel = this.#options.clock.after(1000, () => this.#stream.destroy());
      this.#stream.once("close", () => {
        cancel();
        resolve();
      });
      this.#stream.end();
      this.#stream.resume(); // what is left unread would keep it open
    });
  }

  #read(chunk: Buffer): void {
    if (!this.#open) return;
    this.lastReceived = this.#options.clock.now();
    const kept = this.#parser.parse(chunk);
    const { maxReceive } = this.#options;
    if (this.#open) this.#options.onRead();
    if (kept > maxReceive) this.#fail(endedBy(new BusbarError("TOO_LARGE", `the broker sends a packet of more than ${maxReceive} bytes (maxReceive)`)));
  }

  #fail(end: SessionEnd): void {
    if (this.#open) this.#options.onEnd(end);
  }

  #flush(): void {
    if (this.#unsent.length === 0 || !this.#open) return;
    const bytes = this.#unsent.length === 1 ? this.#unsent[0]! : Buffer.concat(this.#unsent);
    const written = this.#written;
    this.#unsent = [];
    this.#written = [];
    this.lastSent = this.#options.clock.now();
    this.#stream.write(bytes, (error) => {
      if (!error && this.#open) for (const one of written) one();
    });
  }
}
