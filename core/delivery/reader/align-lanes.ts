import type { Lane } from "../../bus.ts";
import type { Journal } from "../../journal.ts";
import type { Log } from "../../log.ts";
import { nameDigest } from "../name-digest.ts";

/** What `alignLanes` works with. */
export interface AlignLanesOptions {
  readonly journal: Journal;
  readonly log: Log;
  /** The reader's name. */
  readonly name: string;
  readonly lanes: readonly Lane[];
}

/** The cursors that the journal knows, and the one that says for which lanes they are; absent where there are no lanes. */
export interface AlignedLanes {
  readonly known: ReadonlyMap<string, number>;
  readonly marker: string | undefined;
}

/**
 * Sees to it that the cursors of a reader are those of the lanes it has now: a cursor says what is done of a lane only as long as the lane is the same. Where the lanes are others than last
 * time the reader goes back to the cursor that is furthest behind: some entries are handed over again, none is left out. That they are the same is told by the name of one more cursor,
 * `<name>!lanes-<digest>`, which follows behind the lane "live". A crash at any point leaves lanes that are others still.
 */
export async function alignLanes({ journal, log, name, lanes }: AlignLanesOptions): Promise<AlignedLanes> {
  const known = new Map(await journal.cursors());
  const marker = lanes.length === 0 ? undefined : `${name}!lanes-${nameDigest(JSON.stringify(lanes.map((lane) => [lane.name, lane.patterns])))}`;
  const own = [...known.keys()].filter((cursor) => cursor.startsWith(`${name}!`));
  const markers = own.filter((cursor) => cursor.startsWith(`${name}!lanes-`));
  const live = known.get(name);
  const move = async (cursor: string, offset: number): Promise<void> => {
    await journal.moveCursor(cursor, offset);
    known.set(cursor, offset);
  };
  if (live !== undefined && (markers.length !== (marker === undefined ? 0 : 1) || (marker !== undefined && !known.has(marker)))) {
    const back = Math.min(live, ...own.filter((cursor) => !markers.includes(cursor)).map((cursor) => known.get(cursor)!));
    if (back < live) log.warn("lanes of a reader have changed, it hands over some entries again", { reader: name, from: live, back });
    for (const cursor of [name, ...lanes.map((lane) => `${name}!${lane.name}`)]) await move(cursor, back);
    const kept = new Set([marker, ...lanes.map((lane) => `${name}!${lane.name}`)]);
    for (const cursor of [...own.filter((one) => !markers.includes(one)), ...markers]) { // the markers last: without them the rest would not be looked at again
      if (kept.has(cursor)) continue;
      await journal.dropCursor(cursor);
      known.delete(cursor);
    }
  }
  if (marker !== undefined && live !== undefined && !known.has(marker)) await move(marker, known.get(name)!);
  return { known, marker };
}
