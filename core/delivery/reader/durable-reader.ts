import type { Delivery, Reader, ReaderStatus } from "../../bus.ts";
import type { Envelope } from "../../envelope.ts";
import { BusbarError, errorText } from "../../errors.ts";
import type { Entry } from "../../journal.ts";
import { retryDelay } from "../../retry.ts";
import type { RefusedEntry } from "../dead-letter-box.ts";
import { beginReader } from "./begin-reader.ts";
import { LaneChooser } from "./lane-chooser.ts";
import type { Lane } from "./lane.ts";
import { Pacer } from "./pacer.ts";
import { ReaderMetrics } from "./reader-metrics.ts";
import type { ReaderOptions } from "./reader-options.ts";
import type { ReaderPlace } from "./reader-place.ts";
import { ownDeadLetters, ReaderTopics } from "./reader-topics.ts";
import { refusedEntries } from "./refused-entries.ts";
import { ReplayLane } from "./replay-lane.ts";

/** Takes a batch: resolves when it is done. */
export type BatchHandler = (batch: readonly Entry[], delivery: Delivery) => Promise<void>;

/** A lane that has nothing to hand over writes its cursor down every so many offsets. */
const idleStep = 1000;

/**
 * A durable reader: reads the journal from its cursors on, hands over one batch at a time, always of the most urgent lane that has one, and moves the lane's cursor when the handler
 * has resolved. What the handler does not take comes again, with growing pauses.
 */
export class DurableReader implements Reader {
  readonly pattern: string;
  readonly ended: Promise<void>;
  readonly #name: string;
  readonly #handler: BatchHandler;
  readonly #options: ReaderOptions;
  readonly #topics: ReaderTopics;
  readonly #pacer: Pacer;
  readonly #metrics: ReaderMetrics;
  readonly #chooser: LaneChooser;
  readonly #abort = new AbortController();
  #place: ReaderPlace | undefined;
  /** Handed over without success since the last success. */
  #failures = 0;
  #failing: string | undefined;
  /** From this offset on the cursors of idle lanes are worth writing down. */
  #nextStep = 0;
  /** Something was committed since the lanes were looked at. */
  #news = false;
  #wake: (() => void) | undefined;

  constructor(name: string, pattern: string | readonly string[], options: ReaderOptions & { readonly handler: BatchHandler }) {
    this.#name = name;
    this.pattern = String(pattern);
    this.#handler = options.handler;
    this.#options = options;
    this.#topics = new ReaderTopics([pattern].flat(), { lanes: options.lanes ?? [], reader: name });
    this.#pacer = new Pacer(options.clock, options.pace ?? 1000);
    this.#metrics = new ReaderMetrics(options.metrics, name);
    this.#chooser = new LaneChooser({ name, options, pacer: this.#pacer, metrics: this.#metrics });
    this.ended = this.#run();
  }

  /** Whether it has been asked to end. */
  get closed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Says that a message was committed. Called for every one. */
  notify(message: Envelope, offset: number): void {
    const lane = this.#topics.laneOf(message.topic);
    if (lane >= 0) this.#place?.lanes[lane]!.committed(message, offset);
    else if (lane !== ownDeadLetters && offset < this.#nextStep) return;
    this.#news = true;
    this.#wake?.();
  }

  status(): ReaderStatus {
    const place = this.#place;
    const lanes = place === undefined ? [] : this.#laneNames(place).map((lane) => ({ lane, ...place.progress(lane, this.#options.last()) }));
    return { name: this.#name, lanes, ...(this.#failing === undefined ? {} : { failing: this.#failing }) };
  }

  close(): void {
    this.#abort.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { log, after } = this.#options;
    await after;
    for (let attempt = 0; !this.closed; ) {
      try {
        await this.#round();
        attempt = 0;
      } catch (error) {
        if (this.closed) break;
        log.warn("reader cannot use the journal, it will try again", { reader: this.#name, error });
        await this.#pause(retryDelay(attempt++));
      }
    }
    this.#metrics.hide();
    await this.#keepIdle(1).catch((error: unknown) => log.debug("reader could not write down where it is", { reader: this.#name, error }));
  }

  async #round(): Promise<void> {
    if (this.#place === undefined || !this.#isSameJournal(this.#place)) await this.#begin();
    this.#news = false;
    const lane = await this.#choose(this.#place!);
    if (this.closed) return;
    if (typeof lane === "number") {
      await this.#keepIdle(idleStep);
      await this.#sleep(lane);
    } else await this.#handOver(this.#place!, lane);
  }

  async #begin(): Promise<void> {
    if (this.#place !== undefined) this.#options.log.error("journal is another one, reader begins anew", { reader: this.#name, epoch: this.#place.epoch });
    this.#place = undefined;
    const place = await beginReader({ name: this.#name, options: this.#options, topics: this.#topics, pacer: this.#pacer });
    this.#place = place;
    this.#metrics.show(this.#laneNames(place), (lane) => place.progress(lane, this.#options.last()).behind);
  }

  /** The lane whose turn it is, or when there may be one, ms since the Unix epoch. */
  async #choose(place: ReaderPlace): Promise<Lane | ReplayLane | number> {
    while (!this.closed && this.#isSameJournal(place)) {
      const choice = this.#chooser.choose(place);
      if ("turn" in choice) return choice.turn;
      if ("due" in choice) return choice.due;
      const lane = choice.read;
      await this.#chooser.read(lane);
      if (!(lane instanceof ReplayLane) && lane.name === "backfill" && lane.empty) await place.keep(lane);
    }
    return 0;
  }

  async #handOver(place: ReaderPlace, lane: Lane | ReplayLane): Promise<void> {
    const { clock, letters } = this.#options;
    const batch = lane.take(clock.now());
    const { entries, late, attempt } = batch;
    let refused: readonly RefusedEntry[] = [];
    this.#metrics.handOver(entries.length);
    if (lane.name === "backfill") this.#pacer.begin();
    this.#chooser.begin(place, lane);
    try {
      await this.#handler(entries, { lane: lane.name, late, attempt, signal: this.#abort.signal });
    } catch (error) {
      const some = refusedEntries(error, batch);
      if (some === undefined) {
        this.#metrics.settle("returned", entries.length);
        lane.failed();
        if (!this.closed) await this.#failed(error);
        return;
      }
      refused = some;
      await this.#persistently(() => this.#bury(refused)).catch((cause: unknown) => {
        this.#metrics.settle("returned", entries.length);
        throw cause;
      });
    }
    this.#metrics.settle("delivered", entries.length - refused.length);
    this.#metrics.settle("dead-letter", refused.length);
    this.#failures = 0;
    this.#failing = undefined;
    this.#metrics.delivered(lane.name).value += entries.length - refused.length;
    if (lane.name === "backfill") this.#pacer.spend(entries.length);
    if (lane instanceof ReplayLane) {
      const taken = lane.take().letters.filter((letter) => !refused.some(({ replaces }) => replaces === letter));
      await this.#persistently(() => letters.replayed(taken));
    }
    lane.finish();
    this.#chooser.end(lane);
    await this.#persistently(() => (this.#isSameJournal(place) ? place.keep(lane) : Promise.resolve()));
  }

  /** What is refused becomes a dead letter, before the reader moves on. A dead letter does not: two readers that refuse each other's would never end. */
  async #bury(refused: readonly RefusedEntry[]): Promise<void> {
    const { letters, log } = this.#options;
    await letters.bury(this.#name, refused.filter(({ entry }) => entry.message.type !== "dead-letter"));
    for (const { entry, reason } of refused) {
      log.warn("sink refuses a message for good", { reader: this.#name, offset: entry.offset, topic: entry.message.topic, reason });
      if (entry.message.type === "dead-letter") this.#metrics.lost("REFUSED").value++;
    }
  }

  async #failed(error: unknown): Promise<void> {
    const wait = (error instanceof BusbarError ? error.retryAfter : undefined) ?? retryDelay(this.#failures);
    this.#failures++;
    this.#failing = errorText(error);
    this.#metrics.retries.value++;
    this.#options.log.warn("reader will try again", { reader: this.#name, error, wait: Math.round(wait) });
    await this.#pause(wait);
  }

  async #keepIdle(step: number): Promise<void> {
    const last = this.#options.last();
    if (this.#place !== undefined && this.#isSameJournal(this.#place)) await this.#place.keepIdle(step, last);
    this.#nextStep = last + idleStep;
  }

  /** Repeats what only the journal can make fail: the handler need not do its part again. */
  async #persistently(step: () => Promise<void>): Promise<void> {
    for (let attempt = 0; ; ) {
      try {
        return await step();
      } catch (error) {
        if (this.closed) throw error;
        this.#options.log.warn("reader cannot write down what is done, it will try again", { reader: this.#name, error });
        await this.#pause(retryDelay(attempt++));
      }
    }
  }

  /** @throws {BusbarError} UNAVAILABLE while the plugin that provides the journal is being restarted. */
  #isSameJournal(place: ReaderPlace): boolean {
    const epoch: unknown = this.#options.journal.epoch;
    if (typeof epoch !== "string") throw new BusbarError("UNAVAILABLE", `Cannot read for "${this.#name}": the journal is not there`);
    return epoch === place.epoch;
  }

  #laneNames({ lanes, backlog }: ReaderPlace): string[] {
    const names = lanes.map((lane) => lane.name);
    return this.#options.overtake === undefined && backlog.first === undefined ? names : [...names, "backfill"];
  }

  async #pause(ms: number): Promise<void> {
    await this.#options.clock.sleep(ms, this.#abort.signal).catch(() => {}); // rejects when it is closed, which the loops look at
  }

  /** Until there are news or it is `due`. */
  #sleep(due: number): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      if (this.closed || this.#news) return resolve();
      const cancel = due === Number.POSITIVE_INFINITY ? undefined : clock.after(Math.max(0, due - clock.now()), () => this.#wake?.());
      this.#wake = () => {
        cancel?.();
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
