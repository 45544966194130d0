import type { Clock, Counter } from "@busbar/core";
import { ModbusFault } from "./modbus-fault.ts";
import type { RequestQueue } from "./request-queue.ts";

/** What is counted of one device's requests. */
export interface UnitCounts {
  readonly requests: Counter;
  /** Cells that were asked for: with `requests`, how well reads are merged. */
  readonly cells: Counter;
  readonly exceptions: Counter;
  readonly timeouts: Counter;
  readonly malformed: Counter;
}

/** What a unit client is made of. */
export interface UnitClientOptions {
  readonly clock: Clock;
  readonly queue: RequestQueue;
  readonly unit: number;
  /** Milliseconds that an answer may take. */
  readonly timeout: number;
  /** How often a request without a proper answer is sent again at once. */
  readonly retries: number;
  readonly counts: UnitCounts;
}

/** Of the probes of a unit that does not answer, each of this many has the whole timeout. */
const patientProbe = 4;

/** Milliseconds: the least that an answer is waited for. */
const leastTimeout = 100;

/** Silences in a row from which on a unit counts as gone. */
const goneAfter = 2;

/** Speaks to one unit, and knows whether it is there. One that was silent gets short timeouts, no retries, and a small share of the line, until it answers. */
export class UnitClient {
  readonly #options: UnitClientOptions;
  #silence: ModbusFault | undefined;
  #silent = 0;
  #slowest = 0;
  #heard = 0;

  constructor(options: UnitClientOptions) {
    this.#options = options;
  }

  /** Why it counts as gone: it did not answer twice in a row. Undefined while it does not. */
  get gone(): ModbusFault | undefined {
    return this.#silent >= goneAfter ? this.#silence : undefined;
  }

  /** Whether it answered the last request, be it with a refusal. */
  get present(): boolean {
    return this.#heard > 0 && this.#silent === 0;
  }

  /** Milliseconds since the Unix epoch: its last sign of life, 0 for none. */
  get heard(): number {
    return this.#heard;
  }

  /** There is another connection: what was before does not count. */
  forgive(): void {
    this.#silent = 0;
  }

  /**
   * Sends a PDU and resolves with the data of its answer, which the caller owns. `cells`: how many are asked for; `urgent`: before all reads; `once`: it is not sent again.
   * @throws {ModbusFault}
   */
  async ask(pdu: Uint8Array, { cells = 0, urgent = false, once = false }: { readonly cells?: number; readonly urgent?: boolean; readonly once?: boolean } = {}): Promise<Uint8Array> {
    const { clock, queue, unit, retries, counts } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const suspect = this.#silent > 0;
      counts.requests.value++;
      counts.cells.value += cells;
      const begun = clock.now();
      try {
        const data = await queue.exchange({ unit, pdu, timeout: this.#timeout(urgent) }, { urgent, suspect });
        this.#hear();
        this.#slowest = Math.max(this.#slowest * 0.99, clock.now() - begun);
        return data;
      } catch (error) {
        if (!(error instanceof ModbusFault)) throw error;
        this.#count(error);
        const again = (error.kind === "no-answer" || error.kind === "malformed") && attempt < retries && !suspect && !once;
        if (again) continue;
        if (error.silent) {
          this.#silent++;
          this.#silence = error;
        } else this.#hear();
        throw error;
      }
    }
  }

  #hear(): void {
    this.#silent = 0;
    this.#heard = this.#options.clock.now();
  }

  #timeout(urgent: boolean): number {
    const { timeout } = this.#options;
    if (urgent || this.#silent === 0 || this.#silent % patientProbe === 0) return timeout;
    return Math.min(timeout, Math.max(leastTimeout, this.#slowest === 0 ? timeout / 4 : 4 * this.#slowest));
  }

  #count(fault: ModbusFault): void {
    const { exceptions, timeouts, malformed } = this.#options.counts;
    if (fault.kind === "exception") exceptions.value++;
    if (fault.kind === "no-answer") timeouts.value++;
    if (fault.kind === "malformed") malformed.value++;
  }
}
