import type { DatabaseSync } from "node:sqlite";
import { blockBytes, isWhole, type Block } from "./block.ts";

/** What retention may take. */
export interface JournalRetention {
  /** Messages that arrived before this, ms since the Unix epoch, may go. */
  readonly before: number;
  /** Bytes to come down to, as far as no cursor needs what is in the way. */
  readonly size: number;
  /** Bytes to come down to whatever the cursors need. */
  readonly maxSize: number;
}

/** What can go now. */
export interface Removable {
  /** Everything up to this offset. */
  readonly upTo: number;
  /** Entries of these that a cursor had not passed. */
  readonly forced: number;
  /** Whether there may be more. */
  readonly more: boolean;
}

/** Blocks looked at in one step. */
const stepBlocks = 64;

/** Finds the oldest blocks that retention may take. `bytes`: size of what the file holds; `needed`: everything after this offset is needed by some cursor. */
export function findRemovable(database: DatabaseSync, limits: JournalRetention, state: { readonly first: number; readonly bytes: number; readonly needed: number }): Removable {
  let over = state.bytes - limits.size;
  let mustGo = state.bytes - limits.maxSize;
  let upTo = state.first - 1;
  let forced = 0;
  let seen = 0;
  for (const row of database.prepare("select first, last, received, length(body) as size from block order by last limit ?").all(stepBlocks)) {
    const { first, last, received, size } = row as { first: number; last: number; received: number; size: number };
    const spent = last <= state.needed;
    if (!(mustGo > 0 || (spent && (over > 0 || received < limits.before)))) break;
    if (!spent) forced += last - Math.max(first - 1, state.needed);
    upTo = last;
    over -= size;
    mustGo -= size;
    seen++;
  }
  return { upTo, forced, more: seen === stepBlocks };
}

/** Where merging stands. */
export interface MergeStep {
  /** Neighbouring small blocks that are better one: their offsets and all their entries. */
  readonly run: { readonly first: number; readonly last: number; readonly bytes: Buffer } | undefined;
  /** Everything up to this offset need not be looked at again. */
  readonly upTo: number;
  /** Whether there may be more. */
  readonly more: boolean;
}

/** Blocks looked at in one step of merging. */
const mergeBlocks = 1000;
/** The longest time that the arrivals in a merged block may span, ms: a block ages as a whole, so retention by age is late by no more than this. */
const mergeSpan = 3_600_000;

/**
 * Finds the next small blocks after `after` that together fill one: messages that arrive one by one make a row each, and a search by time would visit
 * every one of them. The newest ones wait until there are enough; damaged ones stay as they are, for a reader to stumble on. Only neighbours without a gap: an entry's offset is its place in its block.
 */
export function findMergeable(database: DatabaseSync, after: number, epoch: string): MergeStep {
  const rows = database.prepare("select first, last, received, length(body) as size from block where last > ? order by last limit ?").all(after, mergeBlocks) as unknown as { first: number; last: number; received: number; size: number }[];
  const start = rows.findIndex((row) => row.size < blockBytes / 2);
  if (start < 0) return { run: undefined, upTo: rows.at(-1)?.last ?? after, more: rows.length === mergeBlocks };
  let end = start;
  let size = 0;
  const fits = (row: (typeof rows)[number], at: number): boolean => (at === start || row.first === rows[at - 1]!.last + 1) && row.size < blockBytes / 2 && size + row.size <= blockBytes && Math.abs(row.received - rows[start]!.received) <= mergeSpan;
  for (; end < rows.length && fits(rows[end]!, end); end++) size += rows[end]!.size;
  const before = start === 0 ? after : rows[start - 1]!.last;
  if (end === rows.length && rows.length < mergeBlocks) return { run: undefined, upTo: before, more: false };
  const [first, last] = [rows[start]!.first, rows[end - 1]!.last];
  if (end - start === 1) return { run: undefined, upTo: last, more: true };
  const blocks = database.prepare("select first, last, crc, body from block where last between ? and ? order by last").all(first, last) as unknown as Block[];
  const whole = blocks.every((block) => isWhole(block, epoch));
  return { run: whole ? { first, last, bytes: Buffer.concat(blocks.map((block) => block.body)) } : undefined, upTo: last, more: true };
}
