import type { Duplex } from "node:stream";
import { CloseCode } from "@busbar/core";
import type { SessionSocket } from "./session-socket.ts";

/** Bytes that are read of a peer that waits for a place. More stays in the network until its turn comes. */
const readAhead = 16 * 1024;

/** Bytes that all who wait may still send. */
export interface EarlyBudget {
  left: number;
}

/** One message, as `ws` hands it over. */
export interface EarlyMessage {
  readonly data: Buffer;
  readonly binary: boolean;
}

/**
 * Keeps what a peer sends while it waits for a place: a client may send before it has read anything (WIRE §2). It goes on reading, within bounds, as otherwise nobody would notice
 * a peer that gave up and left.
 */
export class EarlyMessages {
  readonly #ws: SessionSocket;
  readonly #socket: Duplex;
  readonly #limit: number;
  readonly #budget: EarlyBudget;
  readonly #messages: EarlyMessage[] = [];
  #read = 0;
  #kept = 0;

  /** `limit`: bytes of messages that are kept. Only compressed ones can come to that many. `budget`: shared by all who wait. */
  constructor(ws: SessionSocket, socket: Duplex, { limit, budget }: { readonly limit: number; readonly budget: EarlyBudget }) {
    this.#ws = ws;
    this.#socket = socket;
    this.#limit = limit;
    this.#budget = budget;
    socket.on("data", this.#count);
    ws.on("message", this.#keep);
  }

  /** What came, in order; reading goes on, and nothing is kept any more. */
  take(): readonly EarlyMessage[] {
    this.#socket.off("data", this.#count);
    this.#ws.off("message", this.#keep);
    this.#budget.left += this.#read;
    this.#read = 0;
    this.#ws.resume();
    return this.#messages;
  }

  readonly #count = (chunk: Uint8Array): void => {
    this.#read += chunk.length;
    this.#budget.left -= chunk.length;
    if (this.#read >= readAhead || this.#budget.left <= 0) this.#ws.pause();
  };

  readonly #keep = (data: Buffer, binary: boolean): void => {
    this.#kept += data.length;
    if (this.#kept > this.#limit) this.#ws.close(CloseCode.rateLimit, "too much was sent before there was a place");
    else this.#messages.push({ data, binary });
  };
}
