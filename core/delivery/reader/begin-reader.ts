import { alignLanes } from "./align-lanes.ts";
import { Backlog, gapCursor } from "./backlog.ts";
import { Lane } from "./lane.ts";
import type { Pacer } from "./pacer.ts";
import type { ReaderOptions } from "./reader-options.ts";
import { ReaderPlace } from "./reader-place.ts";
import type { ReaderTopics } from "./reader-topics.ts";
import { ReplayLane } from "./replay-lane.ts";

/** What a reader begins with. */
export interface BeginOptions {
  readonly name: string;
  readonly options: ReaderOptions;
  readonly topics: ReaderTopics;
  readonly pacer: Pacer;
}

/**
 * Finds where a reader stands: its cursors, or where it is to begin, which is written down at once. A jump of the lane "live" that a crash interrupted is completed.
 */
export async function beginReader({ name, options, topics, pacer }: BeginOptions): Promise<ReaderPlace> {
  const { journal, clock, batch = 100, bytes = 1024 * 1024, linger = 0, late = 60_000 } = options;
  const { epoch } = journal;
  const { first, last } = journal.bounds();
  const { known, marker } = await alignLanes({ journal, name, log: options.log, lanes: options.lanes ?? [] });
  const names = (options.lanes ?? []).map((lane) => `${name}!${lane.name}`);
  const liveIndex = names.length;
  const gaps = gapsOf(name, known).map((gap) => ({ ...gap, end: Math.min(gap.end, last) })).filter(({ end, after }) => after < end);

  let start = known.get(name);
  if (start === undefined) start = options.start === "now" ? options.last() : Math.max(0, first - 1);
  const place = (cursor: string): number => Math.min(known.get(cursor) ?? start, last); // a file that lost its end may be shorter than its reader had come
  const liveAfter = Math.max(place(name), ...gaps.map(({ end }) => end));
  const starts = [...names.map(place), liveAfter];
  for (const [at, cursor] of [...names, name].entries()) if (known.get(cursor) !== starts[at]) await journal.moveCursor(cursor, starts[at]!);
  for (const { after, end } of gaps) if (!known.has(gapCursor(name, end))) await journal.moveCursor(gapCursor(name, end), after);
  for (const { cursor } of gapsOf(name, known)) if (!gaps.some(({ end }) => cursor === gapCursor(name, end))) await journal.dropCursor(cursor);

  if (marker !== undefined && !known.has(marker)) await journal.moveCursor(marker, liveAfter);

  const common = { journal, clock, bytes, late };
  const newest = options.last(); // from here to the hints of what is committed later nothing is awaited
  const lanes = [...names, name].map((cursor, at) => {
    const after = starts[at]!;
    return new Lane({ ...common, name: at === liveIndex ? "live" : options.lanes![at]!.name, cursor, patterns: topics.queries[at]!, wants: (topic) => topics.laneOf(topic) === at, after, known: newest, batch, linger });
  });
  const gapLane = (cursor: string, { after, end }: { readonly after: number; readonly end: number }): Lane =>
    new Lane({ ...common, name: "backfill", cursor, patterns: topics.queries[liveIndex]!, wants: (topic) => topics.laneOf(topic) === liveIndex, after, known: end, end, batch: Math.max(1, Math.min(batch, Math.floor(pacer.largest))), linger: 0, late: Number.NEGATIVE_INFINITY });
  const backlog = new Backlog({ journal, cursor: name, lane: gapLane }, gaps.map(({ after, end }) => gapLane(gapCursor(name, end), { after, end })));
  return new ReaderPlace({ journal, epoch, lanes, backlog, marker: marker === undefined ? undefined : { cursor: marker, stored: known.get(marker) ?? liveAfter }, replay: new ReplayLane(options.letters, { reader: name, batch }) });
}

/** The gaps that the journal knows, the oldest first. */
function gapsOf(name: string, known: ReadonlyMap<string, number>): { readonly cursor: string; readonly after: number; readonly end: number }[] {
  const prefix = gapCursor(name, 0).slice(0, -1);
  return [...known]
    .filter(([cursor]) => cursor.startsWith(prefix) && /^\d+$/.test(cursor.slice(prefix.length)))
    .map(([cursor, after]) => ({ cursor, after, end: Number(cursor.slice(prefix.length)) }))
    .sort((one, other) => one.end - other.end);
}
