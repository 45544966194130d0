import { BusbarError } from "../errors.ts";
import type { MessageLedger } from "./message-ledger.ts";

/** Messages that wait until the bus is open. */
const limit = 10_000;

/** What was published or delivered before the bus is open, in order. */
export class EarlyMessages {
  readonly #ledger: MessageLedger;
  #waiting: (() => void)[] = [];

  constructor(ledger: MessageLedger) {
    this.#ledger = ledger;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Keeps a message: `run` does with it what `verb` says. @throws {BusbarError} OVERLOAD when too many wait. */
  hold(verb: string, run: () => void): void {
    if (this.#waiting.length >= limit) {
      this.#ledger.refused("OVERLOAD");
      throw new BusbarError("OVERLOAD", `Cannot ${verb}: the bus is not open yet and 10,000 messages wait`);
    }
    this.#waiting.push(run);
  }

  /** The bus is open. */
  release(): void {
    for (const run of this.#waiting.splice(0)) run();
  }
}
