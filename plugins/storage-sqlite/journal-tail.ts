import { existsSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { AckRecord } from "./ack-file.ts";
import { isWhole, splitBlocks, toBuffer, type Block, type RetainedEntry } from "./block.ts";
import { walkBlocks } from "./block-rows.ts";
import { prepareBlockWriter } from "./block-writer.ts";
import { run } from "./database-file.ts";
import { headerSize } from "./entry-layout.ts";
import type { Finding } from "./finding.ts";
import { blocksOfPage, lastOffset, readMeta } from "./journal-pages.ts";
import { PageReader } from "./page-reader.ts";
import { damagedName, keepDurably, keptLogs } from "./set-aside.ts";

/** What a journal that was not closed lacks of what was acknowledged. */
export interface MissingTail {
  /** The newest offset that SQLite will find. */
  readonly last: number;
  /** Whole blocks with acknowledged entries that SQLite would drop, in order. */
  readonly blocks: readonly Block[];
  /** The write-ahead log as it was; undefined when it holds nothing. */
  readonly wal: Buffer | undefined;
}

/**
 * Looks, before SQLite opens the file and drops the end of a damaged log, for what was acknowledged beyond that; also in the logs that were kept when this was done before, since a power cut may have undone
 * what came of it. Undefined when nothing is missing.
 */
export function findMissingTail(path: string, ack: AckRecord | undefined): MissingTail | undefined {
  if (!ack || !existsSync(path)) return undefined;
  const reader = new PageReader(path);
  const found: Block[] = [];
  let last: number;
  try {
    const source = (number: number): Buffer | undefined => reader.page(number);
    if (readMeta(source).epoch !== ack.epoch) return undefined;
    last = lastOffset(source);
    if (last >= ack.last) return undefined;
    addBlocks(found, reader, { after: last, ack });
  } finally {
    reader.close();
  }
  for (const kept of keptLogs(path)) {
    const earlier = new PageReader(path, kept);
    try {
      addBlocks(found, earlier, { after: last, ack });
    } finally {
      earlier.close();
    }
  }
  found.sort((one, other) => one.first - other.first || other.last - one.last);
  let upTo = last;
  const blocks = found.filter((block) => block.first > upTo && ((upTo = block.last), true));
  const wal = existsSync(path + "-wal") ? readFileSync(path + "-wal") : undefined;
  return { last, blocks, wal: wal?.length === 0 ? undefined : wal };
}

/** Adds the whole blocks behind the end of a log that hold nothing but acknowledged entries after an offset. */
function addBlocks(found: Block[], reader: PageReader, { after, ack }: { readonly after: number; readonly ack: AckRecord }): void {
  for (const page of reader.wal.tail.keys()) {
    for (const block of blocksOfPage((number) => reader.tailPage(number), page, ack.epoch)) if (block.first > after && block.last <= ack.last) found.push({ ...block, body: Buffer.from(block.body) });
  }
}

/** Keeps the damaged log where `findMissingTail` finds it. Returns where that is; undefined when there is none. */
export function keepLog(missing: MissingTail, { path, stamp }: { readonly path: string; readonly stamp: string }): string | undefined {
  if (!missing.wal) return undefined;
  const name = damagedName(path + "-wal", stamp);
  keepDurably(name, missing.wal);
  return name;
}

/** Takes what was found back into the journal, and says what is lost. */
export function restoreTail(database: DatabaseSync, missing: MissingTail, { ack, keptAs }: { readonly ack: AckRecord; readonly keptAs: string | undefined }): Finding {
  run(database, "begin immediate");
  const insert = database.prepare("insert or ignore into block (last, first, min_time, max_time, received, crc, body) values (?, ?, ?, ?, ?, ?, ?)");
  const { noteKeys } = prepareBlockWriter(database, ack.epoch);
  const retained = new Map<string, RetainedEntry>();
  let found = 0;
  for (const { last, first, min_time, max_time, received, crc, body } of missing.blocks) {
    insert.run(last, first, min_time, max_time, received, crc, body);
    noteKeys({ last, body });
    splitBlocks(toBuffer(body), first, { epoch: ack.epoch, retained });
    found += last - first + 1;
  }
  const keep = database.prepare("insert into retained (topic, offset, body) values (?, ?, ?) on conflict (topic) do update set offset = excluded.offset, body = excluded.body");
  const forget = database.prepare("delete from retained where topic = ?");
  for (const [topic, { offset, bytes }] of retained) {
    if (bytes) keep.run(topic, offset, bytes);
    else forget.run(topic);
  }
  run(database, "commit");
  const lost = ack.last - missing.last - found;
  const why = missing.wal ? "the write-ahead log is damaged" : "the write-ahead log is missing, or the file is an older copy";
  const message = `the journal ends at offset ${missing.last}, acknowledged were ${ack.last} (${why}): ${found} messages were found again, ${lost} of offsets ${missing.last + 1} to ${ack.last} are lost`;
  return { reason: "missing-tail", kind: "journal", lost, message, keptAs };
}

/** What `cutTail` did. */
export interface CutTail {
  readonly findings: readonly Finding[];
  /** The newest offset that what was cut spoke of; 0 when nothing was cut. */
  readonly last: number;
}

/** Newest blocks that are looked at. */
const tailBlocks = 64;
const columns = "last, first, min_time, max_time, received, crc, body";

/** Moves the blocks at the end that are not as they were written into a database of their own, and says which of the newest ones before them are not. */
export function cutTail(database: DatabaseSync, options: { readonly path: string; readonly stamp: string; readonly epoch: string }): CutTail {
  const { epoch } = options;
  const rows = database.prepare(`select ${columns} from block where last < ? order by last desc limit ?`);
  let aside: DatabaseSync | undefined;
  let keptAs: string | undefined;
  let whole = 0;
  let [cut, end] = [0, 0];
  for (const block of walkBlocks(rows, Number.MAX_SAFE_INTEGER)) {
    if (isWhole(block, epoch)) {
      whole = block.last;
      break;
    }
    if (!aside) {
      aside = new DatabaseSync((keptAs = damagedName(options.path, options.stamp)));
      run(aside, "create table block (last, first, min_time, max_time, received, crc, body)");
      run(aside, "begin");
    }
    aside.prepare(`insert into block (${columns}) values (?, ?, ?, ?, ?, ?, ?)`).run(block.last, block.first, block.min_time, block.max_time, block.received, block.crc, block.body);
    cut++;
    if (isPlausible(block)) end = Math.max(end, block.last);
  }
  const findings: Finding[] = [];
  if (aside) {
    run(aside, "commit");
    aside.close();
    const next = whole === 0 ? (database.prepare("select min(first) as first from block").get()!["first"] as number) : whole + 1;
    run(database, "begin immediate");
    database.prepare("delete from block where last > ?").run(whole);
    for (const table of ["summary", "sealing"]) database.prepare(`delete from ${table} where last > ?`).run(whole);
    database.prepare("update meta set value = ? where name = 'last' and cast(value as integer) < ?").run(String(Math.max(end, whole)), Math.max(end, whole));
    run(database, "commit");
    const lost = Math.max(0, end - next + 1);
    findings.push({ reason: "torn-tail", kind: "journal", lost, message: `the newest ${cut} blocks of the journal were not as they were written and were cut: ${lost} messages are lost (offsets ${next} to ${Math.max(end, next)})`, keptAs });
  }
  let upTo: number | undefined;
  let bad = false;
  for (const row of database.prepare(`select ${columns} from (select ${columns} from block order by last desc limit ?) order by last`).all(tailBlocks)) {
    const block = row as unknown as Block;
    if (!isWhole(block, epoch)) {
      bad = true;
      continue;
    }
    if (bad && upTo !== undefined) findings.push({ reason: "damaged-block", kind: "journal", lost: block.first - upTo - 1, message: `offsets ${upTo + 1} to ${block.first - 1} of the journal are not as they were written: readers are told` });
    upTo = block.last;
    bad = false;
  }
  return { findings, last: end };
}

/** Whether the offsets of a damaged block can be what was written. */
function isPlausible({ first, last, body }: Block): boolean {
  return Number.isSafeInteger(last) && Number.isSafeInteger(first) && first > 0 && body instanceof Uint8Array && last >= first && (last - first + 1) * headerSize <= body.length;
}
