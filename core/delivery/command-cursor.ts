import type { Clock } from "../clock.ts";
import type { Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import type { CommandTracker } from "./command-tracker.ts";
import { gatewayId } from "../topic.ts";

/** Milliseconds between two looks. */
const interval = 10_000;
const name = `${gatewayId}/commands`;

/**
 * Keeps what open commands need in the journal: while there is one, a cursor stands before the oldest, so that retention by age leaves it there. It is looked for every 10 s, so commands that
 * are over sooner move nothing. Returns what ends it.
 */
export function keepOpenCommands(options: { readonly commands: CommandTracker; readonly journal: Journal; readonly clock: Clock; readonly log: Log }): () => void {
  const { commands, journal, clock, log } = options;
  /** Where the cursor stands; a former run may have left one. */
  let at: number | undefined = -1;
  let busy = false;
  const move = async (): Promise<void> => {
    const oldest = commands.oldest;
    const wanted = oldest === undefined ? undefined : oldest - 1;
    if (wanted === at) return;
    if (wanted !== undefined) await journal.moveCursor(name, wanted);
    else if ((await journal.cursor(name)) !== undefined) await journal.dropCursor(name);
    at = wanted;
  };
  const look = (): void => {
    if (busy) return;
    busy = true;
    move().catch((error: unknown) => log.warn("it is not noted which commands the journal has to keep", { error })).finally(() => (busy = false));
  };
  return clock.every(interval, look);
}
