import type { Duplex } from "node:stream";
import { errorText, type Clock } from "@busbar/core";
import type { Channel, ChannelCounts, ModbusRequest } from "./channel.ts";
import { ModbusFault } from "./modbus-fault.ts";
import { answerData } from "./pdu.ts";
import { encodeTcpFrame, TcpFrames } from "./tcp-frames.ts";

/** What a Modbus TCP channel is made of. */
export interface TcpChannelOptions {
  readonly clock: Clock;
  /** Requests that may be on their way at once, 1-64. */
  readonly depth: number;
  /** Whether an answer with another unit id than its request's is refused. Some gateways answer with 0 or 255. */
  readonly strictUnit: boolean;
  readonly counts: ChannelCounts;
}

interface Pending {
  readonly request: ModbusRequest;
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (fault: ModbusFault) => void;
  readonly cancel: () => void;
}

/** Modbus TCP over an open stream (Modbus TCP V1.0b): answers are told apart by their transaction ids, so that an answer that comes late is never taken for another one. */
export class TcpChannel implements Channel {
  readonly depth: number;
  readonly ended: Promise<string>;
  readonly #stream: Duplex;
  readonly #options: TcpChannelOptions;
  readonly #frames = new TcpFrames();
  readonly #pending = new Map<number, Pending>();
  #end: (reason: string) => void = () => {};
  #open = true;
  #transaction = 0;

  constructor(stream: Duplex, options: TcpChannelOptions) {
    this.depth = options.depth;
    this.#stream = stream;
    this.#options = options;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    stream.on("error", (error) => this.#finish(errorText(error)));
    stream.on("close", () => this.#finish("closed by the other side"));
  }

  exchange(request: ModbusRequest): Promise<Uint8Array> {
    if (!this.#open) return Promise.reject(new ModbusFault("no-connection"));
    const transaction = this.#nextTransaction();
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(request.timeout, () => this.#giveUp(transaction));
      this.#pending.set(transaction, { request, resolve, reject, cancel });
      this.#stream.write(encodeTcpFrame(transaction, request.unit, request.pdu));
    });
  }

  close(): void {
    this.#finish("closed");
  }

  /** Ids begin anew after 65,535 requests: long after the answer to the last one of the same id. */
  #nextTransaction(): number {
    do this.#transaction = (this.#transaction + 1) & 0xffff;
    while (this.#pending.has(this.#transaction));
    return this.#transaction;
  }

  #take(chunk: Uint8Array): void {
    if (!this.#open) return;
    try {
      this.#frames.push(chunk, (transaction, unit, pdu) => this.#answer(transaction, unit, pdu));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#finish(error.message);
    }
  }

  #answer(transaction: number, unit: number, pdu: Uint8Array): void {
    const pending = this.#pending.get(transaction);
    if (pending === undefined) return void this.#options.counts.late++;
    this.#pending.delete(transaction);
    pending.cancel();
    try {
      if (unit !== pending.request.unit && this.#options.strictUnit) throw new ModbusFault("malformed", { detail: `unit ${unit} instead of ${pending.request.unit}` });
      pending.resolve(answerData(pending.request.pdu, pdu).slice());
    } catch (error) {
      if (!(error instanceof ModbusFault)) throw error;
      pending.reject(error);
    }
  }

  #giveUp(transaction: number): void {
    const pending = this.#pending.get(transaction)!;
    this.#pending.delete(transaction);
    pending.reject(new ModbusFault("no-answer"));
    // The rest of this frame may never come, and the next answer would be taken for it.
    if (this.#frames.pending > 0) this.#finish("an answer ended in the middle");
  }

  #finish(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stream.destroy();
    for (const { cancel, reject } of this.#pending.values()) {
      cancel();
      reject(new ModbusFault("no-connection"));
    }
    this.#pending.clear();
    this.#end(reason);
  }
}
