import type { Duplex } from "node:stream";
import { errorText, type Clock } from "@busbar/core";
import type { Channel, ChannelCounts, ModbusRequest } from "./channel.ts";
import { ModbusFault } from "./modbus-fault.ts";
import { answerData, cellsOf } from "./pdu.ts";
import { encodeRtuFrame, RtuFrames } from "./rtu-frames.ts";

/** What an RTU channel is made of. */
export interface RtuChannelOptions {
  readonly clock: Clock;
  /** Milliseconds of silence before each request: 3.5 characters on a serial line (Modbus over Serial Line V1.02 §2.5.1.1). */
  readonly silence: number;
  readonly counts: ChannelCounts;
}

interface Waiting {
  readonly request: ModbusRequest;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (fault: ModbusFault) => void;
  readonly cancel: () => void;
}

/**
 * Modbus RTU over an open stream: a serial line, or one behind a TCP connection. One request at a time. Frames carry no transaction id, so an answer that comes late would look like the
 * answer to the next request of the same shape: after a silence the unit is first asked for another number of cells, and what comes in between is dropped.
 */
export class RtuChannel implements Channel {
  readonly depth = 1;
  readonly ended: Promise<string>;
  readonly #stream: Duplex;
  readonly #options: RtuChannelOptions;
  readonly #frames: RtuFrames;
  /** Reads that were not answered in time, by unit: their answers may still come. */
  readonly #unanswered = new Map<number, Uint8Array>();
  #waiting: Waiting | undefined;
  #quietFrom = 0;
  #end: (reason: string) => void = () => {};
  #open = true;

  constructor(stream: Duplex, options: RtuChannelOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#frames = new RtuFrames(options.counts);
    this.ended = new Promise((resolve) => (this.#end = resolve));
    stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    stream.on("error", (error) => this.#finish(errorText(error)));
    stream.on("close", () => this.#finish("closed by the other side"));
  }

  async exchange(request: ModbusRequest): Promise<Uint8Array> {
    const late = this.#unanswered.get(request.unit);
    if (late !== undefined && request.pdu[0] === late[0] && dataBytes(request.pdu) === dataBytes(late)) await this.#tellApart({ ...request, pdu: otherShape(late) });
    return answerData(request.pdu, await this.#send(request));
  }

  close(): void {
    this.#finish("closed");
  }

  /** An exception may be the late answer itself, so what follows it is waited for once more. */
  async #tellApart(request: ModbusRequest): Promise<void> {
    const answer = await this.#send(request);
    if (answer[0]! & 0x80) await this.#options.clock.sleep(request.timeout);
    this.#unanswered.delete(request.unit);
  }

  async #send(request: ModbusRequest): Promise<Uint8Array> {
    const { clock, silence } = this.#options;
    const pause = this.#quietFrom + silence - clock.now();
    if (pause > 0) await clock.sleep(pause);
    if (!this.#open) throw new ModbusFault("no-connection");
    if (this.#waiting) throw new TypeError("Cannot send a request: another one is on its way");
    this.#frames.clear();
    return await new Promise((resolve, reject) => {
      this.#waiting = { request, resolve, reject, cancel: clock.after(request.timeout, () => this.#giveUp()) };
      this.#stream.write(encodeRtuFrame(request.unit, request.pdu));
    });
  }

  #take(chunk: Uint8Array): void {
    const { clock, counts } = this.#options;
    this.#quietFrom = clock.now();
    const waiting = this.#waiting;
    if (waiting === undefined) {
      counts.late++;
      return void (counts.noise += chunk.length);
    }
    const { unit, pdu } = waiting.request;
    const answer = this.#frames.push(chunk, { unit, code: pdu[0]!, bytes: dataBytes(pdu) });
    if (answer === undefined) return;
    this.#waiting = undefined;
    waiting.cancel();
    waiting.resolve(answer);
  }

  #giveUp(): void {
    const { request, reject } = this.#waiting!;
    this.#waiting = undefined;
    this.#quietFrom = this.#options.clock.now();
    if (dataBytes(request.pdu) !== undefined) this.#unanswered.set(request.unit, request.pdu);
    reject(new ModbusFault("no-answer"));
  }

  #finish(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stream.destroy();
    this.#waiting?.cancel();
    this.#waiting?.reject(new ModbusFault("no-connection"));
    this.#waiting = undefined;
    this.#end(reason);
  }
}

/** Bytes of data in the answer to a read; undefined for other requests. */
function dataBytes(pdu: Uint8Array): number | undefined {
  if (pdu[0]! > 4) return undefined;
  return pdu[0]! <= 2 ? Math.ceil(cellsOf(pdu) / 8) : 2 * cellsOf(pdu);
}

/** The same read of so many cells that its answer has another length: one register, or eight bits more or less. */
function otherShape(read: Uint8Array): Uint8Array {
  const cells = cellsOf(read);
  const other = read[0]! <= 2 ? (cells > 8 ? 1 : 16) : cells > 1 ? 1 : 2;
  return Uint8Array.of(read[0]!, read[1]!, read[2]!, 0, other);
}
