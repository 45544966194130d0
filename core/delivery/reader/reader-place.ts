import type { Journal } from "../../journal.ts";
import type { Backlog } from "./backlog.ts";
import type { Lane } from "./lane.ts";
import { ReplayLane } from "./replay-lane.ts";

/** What a place is made of. */
export interface ReaderPlaceOptions {
  readonly journal: Journal;
  readonly epoch: string;
  /** The most urgent one first; "live" is the last one. */
  readonly lanes: readonly Lane[];
  readonly backlog: Backlog;
  readonly replay: ReplayLane;
  /** The cursor that says for which lanes the others are (`alignLanes`). */
  readonly marker: { readonly cursor: string; readonly stored: number } | undefined;
}

/** The marker follows the lane "live" every so many offsets. */
const markerStep = 1000;

/** Where a reader stands in one journal: its lanes, what it has left behind, and what of that is written down. */
export class ReaderPlace {
  readonly lanes: readonly Lane[];
  readonly live: Lane;
  readonly backlog: Backlog;
  /** Dead letters that are to be handed over again. */
  readonly replay: ReplayLane;
  /** Of the journal. */
  readonly epoch: string;
  readonly #journal: Journal;
  readonly #marker: string | undefined;
  #markerStored: number;

  constructor(options: ReaderPlaceOptions) {
    this.lanes = options.lanes;
    this.live = options.lanes.at(-1)!;
    this.backlog = options.backlog;
    this.replay = options.replay;
    this.epoch = options.epoch;
    this.#journal = options.journal;
    this.#marker = options.marker?.cursor;
    this.#markerStored = options.marker?.stored ?? 0;
  }

  /** Writes down that a lane has come further, because something of it was taken or it is at its end. */
  async keep(lane: Lane | ReplayLane): Promise<void> {
    await this.backlog.settle(this.live);
    if (lane instanceof ReplayLane) return; // what has been replayed is said in the journal
    if (lane.name === "backfill") await this.backlog.store(lane);
    else await this.#store(lane);
    await this.#keepMarker(markerStep);
  }

  /** Writes down the places of lanes that have had nothing to hand over for `step` offsets up to `last`: retention would wait for them. */
  async keepIdle(step: number, last: number): Promise<void> {
    for (const lane of this.lanes) {
      lane.pass(last);
      if (lane.done - lane.stored >= step && !(lane === this.live && this.backlog.open)) await this.#store(lane);
    }
    const gap = this.backlog.first;
    if (gap !== undefined && !(this.backlog.open && gap === this.backlog.gaps.at(-1)) && gap.done - gap.stored >= step) await this.backlog.store(gap);
    await this.#keepMarker(step);
  }

  /** How far a lane has come, and the offsets between that and the newest, `last`. */
  progress(name: string, last: number): { readonly offset: number; readonly behind: number } {
    if (name === "backfill") {
      const { first, gaps } = this.backlog;
      return { offset: (first ?? this.live).done, behind: gaps.reduce((sum, gap) => sum + gap.end - gap.done, 0) };
    }
    const { done, empty } = this.lanes.find((lane) => lane.name === name)!;
    return { offset: done, behind: empty ? 0 : Math.max(0, last - done) };
  }

  async #keepMarker(step: number): Promise<void> {
    const { stored } = this.live;
    if (this.#marker === undefined || stored - this.#markerStored < step) return;
    await this.#journal.moveCursor(this.#marker, stored);
    this.#markerStored = stored;
  }

  async #store(lane: Lane): Promise<void> {
    const { done } = lane;
    if (lane.stored === done) return;
    await this.#journal.moveCursor(lane.cursor, done);
    lane.stored = done;
  }
}
