import type { ConsumeOptions } from "../../bus.ts";
import type { Clock } from "../../clock.ts";
import type { Journal } from "../../journal.ts";
import type { Log } from "../../log.ts";
import type { Metrics } from "../../metrics.ts";
import type { DeadLetterBox } from "../dead-letter-box.ts";

/** What a durable reader works with, besides what its owner asks for. */
export interface ReaderOptions extends ConsumeOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Where what is refused for good goes. */
  readonly letters: DeadLetterBox;
  /** The newest committed offset. */
  readonly last: () => number;
  /** The reader begins when this resolves. Default: at once. */
  readonly after?: Promise<void> | undefined;
}

const namePattern = /^[a-z][a-z0-9-]{0,31}$/;
/** What lanes of the reader's own are called, and the beginnings of what it names its cursors by. */
const reserved = /^(?:live|backfill|replay|dead|gap-.*|lanes-.*)$/;

/**
 * Checks what somebody wants of a reader.
 * @throws {RangeError} for a number outside its range; {TypeError} for a lane of no name, of a reserved one, or of one that is there twice.
 */
export function checkConsumeOptions(options: ConsumeOptions): void {
  const { batch = 100, bytes = 1, linger = 0, overtake = 0, pace = 0, late = 0, lanes = [] } = options;
  const check = (name: string, value: number, [least, most]: readonly [number, number]): void => {
    if (!(value >= least && value <= most)) throw new RangeError(`Cannot consume with ${name} ${value}: it is a number from ${least} to ${most}`);
  };
  check("batch", batch, [1, 10_000]);
  if (!Number.isInteger(batch)) throw new RangeError(`Cannot consume with batch ${batch}: it is a whole number`);
  check("bytes", bytes, [1, Number.MAX_SAFE_INTEGER]);
  for (const [name, value] of Object.entries({ linger, overtake, pace, late })) check(name, value, [0, Number.MAX_SAFE_INTEGER]);
  for (const [at, { name }] of lanes.entries()) {
    if (!namePattern.test(name) || reserved.test(name)) throw new TypeError(`Cannot consume with a lane ${JSON.stringify(name)}: a name is [a-z][a-z0-9-]{0,31}, and not live, backfill, replay, dead, gap-… or lanes-…`);
    if (lanes.findIndex((lane) => lane.name === name) !== at) throw new TypeError(`Cannot consume with two lanes "${name}"`);
  }
}
