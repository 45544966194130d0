import type { DatabaseSync } from "node:sqlite";
import { toBuffer, type Block } from "./block.ts";
import { summarize } from "./block-summary.ts";
import { entrySize } from "./entry-layout.ts";
import { sealingKey } from "./entry-seal.ts";

/** Writes blocks, and takes them out, together with what is kept beside each: its summary, and how many of its entries are encrypted with which key. */
export interface BlockWriter {
  write(block: Block): void;
  /** What is kept beside a block that is in the file already. */
  noteKeys(block: Pick<Block, "last" | "body">): void;
  /** Takes out the blocks whose last entry has one of these offsets. */
  remove(first: number, last: number): void;
}

/** Prepares a writer of a journal's file. */
export function prepareBlockWriter(database: DatabaseSync, epoch: string): BlockWriter {
  const insert = database.prepare("insert into block (last, first, min_time, max_time, received, crc, body) values (?, ?, ?, ?, ?, ?, ?)");
  const insertSummary = database.prepare("insert or replace into summary (last, first, types, crc, noted) values (?, ?, ?, ?, ?)");
  const insertKey = database.prepare("insert or replace into sealing (last, key, entries) values (?, ?, ?)");
  const removals = ["block", "summary", "sealing"].map((table) => database.prepare(`delete from ${table} where last between ? and ?`));
  const noteKeys = ({ last, body }: Pick<Block, "last" | "body">): void => {
    for (const [key, entries] of keysOf(toBuffer(body))) insertKey.run(last, key, entries);
  };
  return {
    write(block) {
      const { last, first, min_time, max_time, received, crc, body } = block;
      insert.run(last, first, min_time, max_time, received, crc, body);
      const summary = summarize(block, epoch);
      insertSummary.run(last, first, summary.types, summary.crc, summary.noted);
      noteKeys(block);
    },
    noteKeys,
    remove(first, last) {
      for (const removal of removals) removal.run(first, last);
    },
  };
}

const nothing: ReadonlyMap<string, number> = new Map();

/** How many of some entries are encrypted with which key. */
function keysOf(bytes: Buffer): ReadonlyMap<string, number> {
  let found: Map<string, number> | undefined;
  for (let at = 0; at < bytes.length; at += entrySize(bytes, at)) {
    const key = sealingKey(bytes, at);
    if (key !== undefined) (found ??= new Map<string, number>()).set(key, (found.get(key) ?? 0) + 1);
  }
  return found ?? nothing;
}
