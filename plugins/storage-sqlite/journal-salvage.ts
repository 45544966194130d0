import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { AckRecord } from "./ack-file.ts";
import { isEntry, splitBlocks, toBuffer, type Block, type RetainedEntry } from "./block.ts";
import { prepareBlockWriter } from "./block-writer.ts";
import { checkpoint, openDatabaseFile, run, type ConnectionOptions } from "./database-file.ts";
import { entrySize } from "./entry-layout.ts";
import type { Finding } from "./finding.ts";
import { blocksOfPage, readMeta, rowsOfTable } from "./journal-pages.ts";
import { PageReader } from "./page-reader.ts";
import { journalSchema } from "./schema-version.ts";
import { replaceDamaged, salvageName } from "./set-aside.ts";
import type { PageSource } from "./tree-reader.ts";

/** Where a whole block lies. */
interface Place {
  readonly first: number;
  readonly last: number;
  readonly page: number;
}

/** Bytes written between two commits. */
const commitBytes = 32 * 1024 * 1024;
/** Pages looked at between two signs of progress. */
const progressPages = 8192;

/**
 * Makes a new journal of what can be read of a damaged one, page by page and without SQLite, and puts it in its place; the damaged one is kept beside it. Blocks are taken wherever
 * they lie, as their checksums tell what is whole. The epoch stays where it can be read, and no offset that was ever acknowledged is given again.
 * @throws {StorageFault} OVERLOAD when there is no room for the new file: the damaged one is then still in place.
 */
export async function salvageJournal(path: string, options: ConnectionOptions, state: { readonly ack: AckRecord | undefined; readonly stamp: string; readonly onProgress: () => void }): Promise<Finding> {
  const reader = new PageReader(path);
  try {
    const source: PageSource = (number) => reader.page(number);
    const { ack } = state;
    const meta = readMeta(source);
    const epoch = meta.epoch ?? ack?.epoch ?? randomUUID();
    const places = choosePlaces(findBlocks(reader, source, { epoch, onProgress: state.onProgress }), meta.first ?? 1);
    const cursors = readCursors(source);
    const retained = readRetained(source);
    const name = salvageName(path);
    const migrations = async () => (await import("./migrations.ts")).journalMigrations;
    const database = await openDatabaseFile(name, journalSchema, migrations, { ...options, maxBytes: undefined });
    const first = meta.first ?? places[0]?.first ?? 1;
    let last = Math.max(meta.last, ack?.last ?? 0, places.at(-1)?.last ?? 0, ...cursors.values());
    try {
      run(database, "pragma synchronous = off"); // it is synced once, when it is complete
      copyBlocks(database, source, { places, epoch, retained, onProgress: state.onProgress });
      for (const { offset } of retained.values()) last = Math.max(last, offset);
      run(database, "begin");
      const setMeta = database.prepare("insert into meta (name, value) values (?, ?)");
      for (const [key, value] of [["epoch", epoch], ["last", last], ["first", first], ...meta.atRest] as const) setMeta.run(key, String(value));
      const setCursor = database.prepare("insert into cursor (name, offset) values (?, ?)");
      for (const [cursor, offset] of cursors) setCursor.run(cursor, offset);
      const keep = database.prepare("insert into retained (topic, offset, body) values (?, ?, ?)");
      for (const [topic, { offset, bytes }] of retained) if (bytes) keep.run(topic, offset, bytes);
      run(database, "commit");
    } finally {
      database.close();
    }
    reader.close();
    const keptAs = replaceDamaged(path, state.stamp);
    const { lost, text } = lostRanges(places, first, last);
    const copied = last - first + 1 - lost;
    const message = `"${path}" was damaged: ${copied} of its messages were copied to a new file, ${lost === 0 ? "none is known to be lost" : `${lost} are lost (offsets ${text})`}${meta.epoch ?? ack?.epoch ? "" : ", its epoch is a new one"}`;
    return { reason: "damaged-file", kind: "journal", lost, message, keptAs };
  } finally {
    reader.close();
  }
}

function findBlocks(reader: PageReader, source: PageSource, { epoch, onProgress }: { readonly epoch: string; readonly onProgress: () => void }): Place[] {
  const found: Place[] = [];
  for (let page = 2; page <= reader.count; page++) {
    if (page % progressPages === 0) onProgress();
    for (const { first, last } of blocksOfPage(source, page, epoch)) found.push({ first, last, page });
  }
  return found;
}

/** Old copies of the same entries may lie on pages that are free: of those that overlap, the ones that reach farthest are taken. */
function choosePlaces(found: Place[], oldest: number): Place[] {
  found.sort((one, other) => one.first - other.first || other.last - one.last);
  const chosen: Place[] = [];
  let upTo = oldest - 1;
  for (const place of found) {
    if (place.last <= upTo) continue;
    chosen.push(place);
    upTo = place.last;
  }
  return chosen;
}

/** Copies the blocks in order, cutting from each what the one before it has, and takes note of the retained messages in them. */
function copyBlocks(database: DatabaseSync, source: PageSource, options: { readonly places: readonly Place[]; readonly epoch: string; readonly retained: Map<string, RetainedEntry>; readonly onProgress: () => void }): void {
  const { places, epoch, retained } = options;
  const writer = prepareBlockWriter(database, epoch);
  let upTo = 0;
  let size = 0;
  run(database, "begin");
  for (const { first, last, page } of places) {
    const body = toBuffer(blockAt(source, page, last, epoch).body);
    let at = 0;
    for (let offset = first; offset <= upTo; offset++) at += entrySize(body, at);
    const seen = new Map<string, RetainedEntry>();
    for (const part of splitBlocks(body.subarray(at), Math.max(first, upTo + 1), { epoch, retained: seen })) {
      writer.write(part);
    }
    for (const [topic, entry] of seen) if (entry.offset > (retained.get(topic)?.offset ?? 0)) retained.set(topic, { offset: entry.offset, bytes: entry.bytes && Buffer.from(entry.bytes) });
    upTo = last;
    size += body.length;
    if (size < commitBytes) continue;
    size = 0;
    run(database, "commit");
    checkpoint(database, "passive");
    options.onProgress();
    run(database, "begin");
  }
  run(database, "commit");
}

function blockAt(source: PageSource, page: number, last: number, epoch: string): Block {
  for (const block of blocksOfPage(source, page, epoch)) if (block.last === last) return block;
  throw new Error(`Cannot copy the block that ends at offset ${last}: the damaged file changes while it is read`);
}

function readCursors(source: PageSource): Map<string, number> {
  const cursors = new Map<string, number>();
  for (const { values: [name, offset] } of rowsOfTable(source, "cursor")) if (typeof name === "string" && Number.isSafeInteger(offset) && (offset as number) >= 0) cursors.set(name, offset as number);
  return cursors;
}

function readRetained(source: PageSource): Map<string, RetainedEntry> {
  const retained = new Map<string, RetainedEntry>();
  for (const { values: [topic, offset, body] } of rowsOfTable(source, "retained")) {
    if (typeof topic === "string" && Number.isSafeInteger(offset) && body instanceof Uint8Array && isEntry(toBuffer(body), topic)) retained.set(topic, { offset: offset as number, bytes: toBuffer(body) });
  }
  return retained;
}

/** How many offsets of `first` to `last` no block has, and the first few ranges of them. */
function lostRanges(places: readonly Place[], first: number, last: number): { readonly lost: number; readonly text: string } {
  const ranges: string[] = [];
  let [lost, upTo] = [0, first - 1];
  for (const place of [...places, { first: last + 1, last }]) {
    if (place.first > upTo + 1) {
      lost += place.first - upTo - 1;
      ranges.push(upTo + 1 === place.first - 1 ? `${upTo + 1}` : `${upTo + 1} to ${place.first - 1}`);
    }
    upTo = Math.max(upTo, place.last);
  }
  return { lost, text: ranges.slice(0, 10).join(", ") + (ranges.length > 10 ? ` and ${ranges.length - 10} more ranges` : "") };
}
