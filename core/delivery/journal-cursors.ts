import type { CursorRecord, Cursors } from "../cursors.ts";
import { BusbarError } from "../errors.ts";
import type { Journal } from "../journal.ts";
import { gatewayId } from "../topic.ts";

/** What it looks at. */
export interface JournalCursorsOptions {
  /** The journal, once there is one. */
  readonly journal: () => Journal | undefined;
  /** Whether there is a reader of that name. */
  readonly isUsed: (reader: string) => boolean;
}

/** Makes the view of the journal's cursors: a reader may have several, `<reader>` and `<reader>!<what for>`. */
export function createCursors({ journal, isUsed }: JournalCursorsOptions): Cursors {
  const used = (reader: string): boolean => reader.startsWith(`${gatewayId}/`) || isUsed(reader);
  const open = (verb: string): Journal => {
    const found = journal();
    if (!found) throw new BusbarError("UNAVAILABLE", `Cannot ${verb}: there is no journal yet`);
    return found;
  };
  return {
    async list() {
      const from = open("list readers");
      const { last } = from.bounds();
      const records = new Map<string, CursorRecord>();
      for (const [cursor, offset] of await from.cursors()) {
        const reader = readerOf(cursor);
        if ((records.get(reader)?.offset ?? Number.POSITIVE_INFINITY) > offset) records.set(reader, { reader, offset, behind: Math.max(0, last - offset), used: used(reader) });
      }
      return [...records.values()].sort((one, other) => (one.reader < other.reader ? -1 : 1));
    },
    async drop(reader) {
      const from = open(`drop reader "${reader}"`);
      const own = [...(await from.cursors()).keys()].filter((cursor) => readerOf(cursor) === reader);
      if (own.length === 0) throw new BusbarError("NOT_FOUND", `Cannot drop reader "${reader}": there is none`);
      for (const cursor of own) {
        if (used(reader)) throw new BusbarError("REFUSED", `Cannot drop reader "${reader}": it is in use`);
        await from.dropCursor(cursor);
      }
    },
  };
}

/** Whose cursor it is: no name of a reader has a "!". */
function readerOf(cursor: string): string {
  const end = cursor.indexOf("!");
  return end < 0 ? cursor : cursor.slice(0, end);
}
