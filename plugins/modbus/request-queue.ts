import type { Clock } from "@busbar/core";
import type { Channel, ModbusRequest } from "./channel.ts";
import { ModbusFault } from "./modbus-fault.ts";

/** How a request stands in line. */
export interface Standing {
  /** Goes before what is not: a command. Default false. */
  readonly urgent?: boolean;
  /** The unit did not answer last time: it may not take more than a small share of the line. Default false. */
  readonly suspect?: boolean;
}

/** What a queue is made of. */
export interface RequestQueueOptions {
  readonly clock: Clock;
  /** Requests to one unit that may be on their way at once, 1-16. */
  readonly perUnit: number;
  /** Requests without an answer, one after the other and to whichever unit, after which the connection counts as dead and is closed. */
  readonly silences: number;
}

interface Job {
  readonly request: ModbusRequest;
  readonly urgent: boolean;
  readonly suspect: boolean;
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (fault: unknown) => void;
}

interface Unit {
  readonly jobs: Job[];
  /** Requests on their way. */
  busy: number;
  /** Milliseconds of the line that it has used, as far as others waited meanwhile. */
  spent: number;
}

/** Of a line with one request at a time, what units that do not answer may take together: one part in this many. */
const suspectShare = 10;

/**
 * Shares one connection among its units, whichever channel it has at the moment. Commands go first; else it is the turn of the unit that has used the line least, so a slow one, or one
 * that asks for much, does not hold up the others. Units that did not answer get one request at a time together, and on a line that carries only one at a time a tenth of it.
 */
export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #units = new Map<number, Unit>();
  #channel: Channel | undefined;
  /** What the unit had used whose turn it was last. */
  #turn = 0;
  #busy = 0;
  #suspects = 0;
  #suspectsFrom = 0;
  #cancelWake: (() => void) | undefined;
  #silent = 0;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
  }

  /** Uses a channel from now on. */
  attach(channel: Channel): void {
    this.#channel = channel;
    this.#silent = 0;
    this.#suspectsFrom = 0;
    this.#pump();
  }

  /** There is no channel any more: what waits fails with no-connection. */
  detach(): void {
    this.#channel = undefined;
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    for (const unit of this.#units.values()) for (const job of unit.jobs.splice(0)) job.reject(new ModbusFault("no-connection"));
  }

  /**
   * Sends a request when its turn has come. Resolves with the data of the answer, which the caller owns.
   * @throws {ModbusFault} with the promise.
   */
  exchange(request: ModbusRequest, { urgent = false, suspect = false }: Standing = {}): Promise<Uint8Array> {
    if (this.#channel === undefined) return Promise.reject(new ModbusFault("no-connection"));
    return new Promise((resolve, reject) => {
      const unit = this.#unitOf(request.unit);
      const job = { request, urgent, suspect: suspect && !urgent, resolve, reject };
      // One that was idle does not get back what it did not use.
      if (unit.jobs.length === 0 && unit.busy === 0) unit.spent = Math.max(unit.spent, this.#turn);
      if (urgent) unit.jobs.splice(unit.jobs.findLastIndex((one) => one.urgent) + 1, 0, job);
      else unit.jobs.push(job);
      this.#pump();
    });
  }

  #unitOf(id: number): Unit {
    let unit = this.#units.get(id);
    if (unit === undefined) this.#units.set(id, (unit = { jobs: [], busy: 0, spent: 0 }));
    return unit;
  }

  #pump(): void {
    const channel = this.#channel;
    while (channel !== undefined && channel === this.#channel && this.#busy < channel.depth) {
      const unit = this.#next(channel);
      if (unit === undefined) return;
      this.#turn = Math.max(this.#turn, unit.spent);
      void this.#run(channel, unit, unit.jobs.shift()!);
    }
  }

  /** The unit whose turn it is. */
  #next(channel: Channel): Unit | undefined {
    let found: Unit | undefined;
    for (const unit of this.#units.values()) {
      const job = unit.jobs[0];
      if (job === undefined || unit.busy >= this.#options.perUnit || (job.suspect && !this.#maySuspect(channel))) continue;
      const before = found?.jobs[0];
      if (before === undefined || (job.urgent && !before.urgent) || (job.urgent === before.urgent && unit.spent < found!.spent)) found = unit;
    }
    return found;
  }

  #maySuspect(channel: Channel): boolean {
    if (this.#suspects > 0) return false;
    if (channel.depth > 1) return true;
    const wait = this.#suspectsFrom - this.#options.clock.now();
    if (wait <= 0) return true;
    this.#cancelWake ??= this.#options.clock.after(wait, () => {
      this.#cancelWake = undefined;
      this.#pump();
    });
    return false;
  }

  async #run(channel: Channel, unit: Unit, { request, suspect, resolve, reject }: Job): Promise<void> {
    const { clock } = this.#options;
    const begun = clock.now();
    unit.busy++;
    this.#busy++;
    if (suspect) this.#suspects++;
    try {
      const data = await channel.exchange(request);
      this.#silent = 0;
      resolve(data);
    } catch (error) {
      this.#heard(channel, error);
      reject(error);
    }
    const took = clock.now() - begun;
    unit.busy--;
    unit.spent += took;
    this.#busy--;
    if (suspect) {
      this.#suspects--;
      this.#suspectsFrom = clock.now() + (suspectShare - 1) * took;
    }
    this.#pump();
  }

  #heard(channel: Channel, error: unknown): void {
    if (!(error instanceof ModbusFault)) return;
    if (error.kind !== "no-answer") return void (this.#silent = 0);
    if (++this.#silent >= this.#options.silences && channel === this.#channel) channel.close();
  }
}
