import type { Clock, Counter, Log } from "@busbar/core";
import type { OpcuaConfig } from "./config.ts";
import { readHistory, type HistoryGap } from "./history.ts";
import type { Point } from "./point.ts";
import type { Readings } from "./readings.ts";
import type { Outage, ServerLife } from "./server-link.ts";

/** What fills gaps. */
export interface GapFillerOptions {
  readonly config: Pick<OpcuaConfig, "history">;
  readonly clock: Clock;
  readonly log: Log;
  readonly tell: (payload: Readonly<Record<string, unknown>>) => void;
  /** Counts values of the past. */
  readonly values: Counter;
  readonly readings: () => Readings;
}

/** Milliseconds in which gaps of single points are collected before their history is read. */
const patience = 1_000;

/**
 * Fills gaps from the server's history while live values go on: what it finds is published with its own times, as `late`. One gap is read after the other; those that a connection did not
 * live to see filled are taken up by the next one.
 */
export class GapFiller {
  readonly #options: GapFillerOptions;
  /** Gaps that are not filled. */
  readonly #open = new Set<HistoryGap>();
  #collected: HistoryGap[] = [];
  #work: Promise<void> = Promise.resolve();

  constructor(options: GapFillerOptions) {
    this.#options = options;
  }

  /** From when on the values of a point are not all there; undefined where they are. */
  get open(): ReadonlyMap<Point, number> {
    const from = new Map<Point, number>();
    for (const gap of this.#open) from.set(gap.point, Math.min(gap.from, from.get(gap.point) ?? gap.from));
    return from;
  }

  /** What of an outage can be filled: the points that have a history at the server and had a value before. */
  of(points: readonly Point[], { to }: Outage): HistoryGap[] {
    return points.flatMap((point) => (point.historic && point.nodeId !== undefined && point.before > 0 && point.before < to ? [{ point, from: point.before, to }] : []));
  }

  /** Fills gaps, after those that are being filled or were left open before. */
  now(life: ServerLife, gaps: readonly HistoryGap[]): void {
    this.#work = this.#work.then(() => {
      const { clock, config } = this.#options;
      const oldest = clock.now() - config.history.longest;
      for (const gap of gaps) this.#open.add(gap);
      for (const gap of this.#open) gap.from = Math.max(gap.from, oldest);
      return this.#fill(life);
    });
  }

  /** Fills the gap of one point soon, together with those of others. */
  later(life: ServerLife, gap: HistoryGap): void {
    if (!gap.point.historic) return;
    if (this.#collected.push(gap) > 1) return;
    const done = (): void => {
      cancel();
      life.signal.removeEventListener("abort", done);
      this.now(life, this.#collected.splice(0));
    };
    const cancel = this.#options.clock.after(patience, done);
    life.signal.addEventListener("abort", done, { once: true });
  }

  async #fill({ view, signal }: ServerLife): Promise<void> {
    const { config, log, tell, values: counter } = this.#options;
    const gaps = [...this.#open].filter(({ point, from, to }) => point.nodeId !== undefined && from < to);
    if (signal.aborted || gaps.length === 0) return;
    const range = { from: Math.min(...gaps.map(({ from }) => from)), to: Math.max(...gaps.map(({ to }) => to)) };
    const readings = this.#options.readings();
    try {
      const { values, refused } = await readHistory(view, gaps, {
        ...config.history,
        signal,
        onDone: (gap) => void this.#open.delete(gap),
        onValues: (point, data) => {
          for (const { value, statusCode, sourceTimestamp } of data) {
            const time = sourceTimestamp!.getTime();
            if (time === point.first) continue; // the server said it again when the connection came back
            readings.addPast(point, { value, statusCode, time });
            counter.value++;
          }
          return readings.flush({ late: true });
        },
      });
      tell({ event: "gap-filled", ...range, nodes: gaps.length, values, ...(refused.size > 0 ? { refused: Object.fromEntries(refused) } : {}), message: `${values} values were read from the server's history` });
    } catch (error) {
      if (signal.aborted) return;
      for (const gap of gaps) this.#open.delete(gap);
      log.warn("a gap could not be filled from the server's history", { nodes: gaps.length, error });
      tell({ event: "gap-not-filled", ...range, nodes: gaps.length, message: "the server's history could not be read" });
    }
  }
}
