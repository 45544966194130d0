import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { encodeRtuFrame } from "../rtu-frames.ts";
import { requestLength, UnitMemory } from "./unit-memory.ts";

/** A request as it came. */
export interface SeenRequest {
  readonly unit: number;
  readonly pdu: Uint8Array;
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
}

/** Sends an answer: `pdu` of `unit` for `transaction`, or bytes as they are. */
export interface Reply {
  readonly transaction: number;
  send(pdu: Uint8Array, as?: { readonly transaction?: number; readonly unit?: number }): void;
  raw(bytes: Uint8Array): void;
  drop(): void;
}

/** A device, or a gateway with units behind it, that listens on a port of its own and does what a test says. Requests to units that it does not have are not answered. */
export class ScriptedDevice {
  readonly units = new Map<number, UnitMemory>();
  readonly requests: SeenRequest[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  connections = 0;
  /** Takes a request before the units do. Returns true where it has dealt with it. */
  script: (request: SeenRequest, reply: Reply) => boolean = () => false;

  private constructor(framing: "tcp" | "rtu") {
    this.#server = createServer((socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
      this.#serve(socket, framing);
    });
  }

  /** Listens. `units`: their memories, or just their ids. `port`: default any free one. */
  static async listen(units: Readonly<Record<number, UnitMemory>> = {}, { framing = "tcp", port = 0 }: { readonly framing?: "tcp" | "rtu"; readonly port?: number } = {}): Promise<ScriptedDevice> {
    const device = new ScriptedDevice(framing);
    for (const [id, memory] of Object.entries(units)) device.units.set(Number(id), memory);
    device.#server.listen(port, "127.0.0.1");
    await once(device.#server, "listening");
    return device;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #serve(socket: Socket, framing: "tcp" | "rtu"): void {
    let held = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      for (;;) {
        const header = framing === "tcp" ? 6 : 0;
        if (held.length < header + 2) return;
        const length = framing === "tcp" ? held.readUInt16BE(4) : requestLength(held, 1, held.length) + 3;
        if (length < 4 || held.length < header + length) return;
        const frame = held.subarray(header, header + length);
        held = held.subarray(header + length);
        this.#take(socket, { framing, transaction: framing === "tcp" ? Buffer.from(frame.buffer, frame.byteOffset - 6, 2).readUInt16BE(0) : 0, unit: frame[0]!, pdu: Uint8Array.from(frame.subarray(1, framing === "tcp" ? length : length - 2)) });
      }
    });
  }

  #take(socket: Socket, { framing, transaction, unit, pdu }: { readonly framing: "tcp" | "rtu"; readonly transaction: number; readonly unit: number; readonly pdu: Uint8Array }): void {
    const request = { unit, pdu, at: performance.now() };
    this.requests.push(request);
    const reply: Reply = {
      transaction,
      raw: (bytes) => void socket.write(bytes),
      drop: () => void socket.destroy(),
      send(answer, as = {}) {
        const id = as.transaction ?? transaction;
        if (framing === "rtu") socket.write(encodeRtuFrame(as.unit ?? unit, answer));
        else socket.write(Uint8Array.of(id >> 8, id & 0xff, 0, 0, (answer.length + 1) >> 8, (answer.length + 1) & 0xff, as.unit ?? unit, ...answer));
      },
    };
    if (this.script(request, reply)) return;
    const memory = this.units.get(unit);
    if (memory) reply.send(memory.answer(pdu));
  }
}
