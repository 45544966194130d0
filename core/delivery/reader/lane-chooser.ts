import { BusbarError } from "../../errors.ts";
import type { Lane } from "./lane.ts";
import type { Pacer } from "./pacer.ts";
import type { ReaderMetrics } from "./reader-metrics.ts";
import type { ReaderOptions } from "./reader-options.ts";
import type { ReaderPlace } from "./reader-place.ts";
import { ReplayLane } from "./replay-lane.ts";

/** What a chooser works with. */
export interface LaneChooserOptions {
  readonly name: string;
  readonly options: ReaderOptions;
  readonly pacer: Pacer;
  readonly metrics: ReaderMetrics;
}

/** Whose turn it is, or when there may be one (ms since the Unix epoch), or what is to be read to find out. */
export type Choice = { readonly turn: Lane | ReplayLane } | { readonly due: number } | { readonly read: Lane | ReplayLane };

/**
 * Finds the lane of a durable reader whose turn it is: the most urgent one that has something. One that has caught up lets a less urgent one have a turn before its next: else a lane
 * in which always something new comes while a batch is out would leave the others nothing, however little it is.
 */
export class LaneChooser {
  readonly #name: string;
  readonly #options: ReaderOptions;
  readonly #pacer: Pacer;
  readonly #metrics: ReaderMetrics;
  /** Offsets up to this one were counted as lost. */
  #lostUpTo = 0;
  /** Lanes that let a less urgent one have the next turn. */
  readonly #yielding = new Set<Lane>();

  constructor({ name, options, pacer, metrics }: LaneChooserOptions) {
    this.#name = name;
    this.#options = options;
    this.#pacer = pacer;
    this.#metrics = metrics;
  }

  /** Looks at the lanes without touching the journal. Something more urgent may have come after each page that is read, so it is to be asked again then. */
  choose(place: ReaderPlace): Choice {
    const { replay } = place;
    if (replay.ready) return { turn: replay };
    if (replay.readable) return { read: replay };
    const choice = this.#mostUrgent(place);
    if (this.#yielding.size === 0 || !("due" in choice)) return choice;
    this.#yielding.clear();
    return this.#mostUrgent(place);
  }

  /** A lane has its turn: those that let it pass are first again. */
  begin({ lanes }: ReaderPlace, lane: Lane | ReplayLane): void {
    if (lane instanceof ReplayLane) return;
    for (const one of lanes) {
      if (one === lane) return;
      this.#yielding.delete(one);
    }
  }

  /** A batch of the lane was taken. */
  end(lane: Lane | ReplayLane): void {
    if (!(lane instanceof ReplayLane) && lane.name !== "backfill" && lane.caughtUp) this.#yielding.add(lane);
  }

  #mostUrgent(place: ReaderPlace): Choice {
    const { lanes, live, backlog } = place;
    const now = this.#options.clock.now();
    let due = Number.POSITIVE_INFINITY;
    for (const lane of lanes) {
      if (this.#yielding.has(lane)) continue;
      if (lane === live) this.#overtake(place);
      if (lane.ready(now)) return { turn: lane };
      if (lane.readable) return { read: lane };
      due = Math.min(due, lane.due);
    }
    const gap = backlog.first;
    if (gap === undefined) return { due };
    if (!gap.ready(now)) return { read: gap };
    const wait = this.#pacer.wait();
    return wait === 0 ? { turn: gap } : { due: Math.min(due, now + wait) };
  }

  /**
   * Reads a page of a lane. What the journal cannot give any more is passed by, said and counted.
   * @throws {BusbarError} when the journal cannot be read at the moment.
   */
  async read(lane: Lane | ReplayLane): Promise<void> {
    if (lane instanceof ReplayLane) return lane.read();
    try {
      await lane.read();
    } catch (error) {
      if (!(error instanceof BusbarError) || (error.code !== "UNKNOWN_OFFSET" && error.code !== "DAMAGED")) throw error;
      const { first, last } = this.#options.journal.bounds();
      const resume = error.resumeAfter ?? (error.code === "UNKNOWN_OFFSET" && lane.position < first ? first - 1 : 0);
      if (resume > lane.position) this.#lose(lane, { resume, error });
      else if (error.code === "UNKNOWN_OFFSET" && lane.position > last) {
        this.#options.log.error("journal ends before the place of its reader", { reader: this.#name, lane: lane.name, after: lane.position, last });
        lane.jump(last);
      } else throw error;
    }
  }

  /** Leaves behind what the lane "live" has been too slow for. What is newest stays in it, if that is known: it is what the other side gets first when it takes something again. */
  #overtake({ live, backlog }: ReaderPlace): void {
    const { overtake, clock, last, log } = this.#options;
    const head = live.head;
    if (overtake === undefined || head === undefined || clock.now() - head.message.received <= overtake) return;
    const end = live.newest > 0 ? live.newest - 1 : Math.max(last(), live.position);
    if (end < head.offset || !backlog.leave(live, end)) return;
    log.info("reader leaves a backlog behind for later", { reader: this.#name, entry: head.offset, upTo: end });
  }

  #lose(lane: Lane, { resume, error }: { readonly resume: number; readonly error: BusbarError }): void {
    const from = lane.name === "backfill" ? lane.position : Math.max(lane.position, this.#lostUpTo); // the other lanes all pass the same hole
    const count = Math.max(0, resume - from);
    this.#metrics.lost(error.code).value += count;
    this.#lostUpTo = Math.max(this.#lostUpTo, resume);
    this.#options.log.error("reader lost entries that the journal cannot give any more", { reader: this.#name, lane: lane.name, after: lane.position, resumeAfter: resume, count, error });
    lane.skip(resume);
  }
}
