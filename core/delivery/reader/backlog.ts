import type { Journal } from "../../journal.ts";
import type { Lane } from "./lane.ts";

/** Parts of the journal that may be left behind at once; beyond it the lane "live" goes on in order. */
const mostGaps = 100;

/** What a backlog works with. */
export interface BacklogOptions {
  readonly journal: Journal;
  /** The durable cursor of the lane "live"; a gap's is `<cursor>!gap-<end>`. */
  readonly cursor: string;
  /** Makes the lane that reads `(after, end]`. */
  readonly lane: (cursor: string, range: { readonly after: number; readonly end: number }) => Lane;
}

/** The name of the cursor of the gap that ends at `end`. */
export function gapCursor(cursor: string, end: number): string {
  return `${cursor}!gap-${end}`;
}

/**
 * What the lane "live" has left behind to be handed over later: gaps, ranges of the journal with a durable cursor each, the oldest first. The youngest may be open: nothing has been taken
 * since the lane jumped, so nothing is written down yet and the jump may still go further. An outage makes one gap, however long it lasts.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  readonly #gaps: Lane[];
  #open: Lane | undefined;

  /** `gaps`: those that the journal knows, the oldest first. */
  constructor(options: BacklogOptions, gaps: readonly Lane[]) {
    this.#options = options;
    this.#gaps = [...gaps];
  }

  /** What is to be handed over next of it. */
  get first(): Lane | undefined {
    return this.#gaps[0];
  }

  get gaps(): readonly Lane[] {
    return this.#gaps;
  }

  /** Whether the jump of the lane "live" is not written down yet: its cursor must then stay where it is. */
  get open(): boolean {
    return this.#open !== undefined;
  }

  /** The lane "live" jumps to `end`; what it had not handed over is left behind. False where that would be one gap too many. */
  leave(live: Lane, end: number): boolean {
    if (this.#open === undefined) {
      if (this.#gaps.length >= mostGaps) return false;
      this.#open = this.#options.lane("", { after: live.done, end });
      this.#gaps.push(this.#open);
    } else this.#open.extend(end);
    live.jump(end);
    return true;
  }

  /**
   * Something was taken: writes the jump down. The gap's cursor comes first, so that a crash between the two leaves a gap that ends after the cursor of the lane "live", which then
   * goes there (`beginReader`).
   */
  async settle(live: Lane): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const { journal, cursor } = this.#options;
    if (open.done < open.end) await journal.moveCursor(gapCursor(cursor, open.end), open.done);
    await journal.moveCursor(cursor, live.done);
    live.stored = live.done;
    open.stored = open.done;
    this.#open = undefined;
  }

  /** Writes down how far a gap has come, and forgets it at its end. */
  async store(gap: Lane): Promise<void> {
    const { journal, cursor } = this.#options;
    const name = gapCursor(cursor, gap.end);
    if (gap.done < gap.end) await journal.moveCursor(name, gap.done);
    else {
      await journal.dropCursor(name);
      this.#gaps.splice(this.#gaps.indexOf(gap), 1);
    }
    gap.stored = gap.done;
  }
}
