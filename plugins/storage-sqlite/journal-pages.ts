import { isWhole, type Block } from "./block.ts";
import type { PageReader } from "./page-reader.ts";
import { lastKeyOfTree, rowsOfPage, rowsOfTree, type PageSource, type Row } from "./tree-reader.ts";

/** What the table `meta` of a journal says. */
export interface JournalMeta {
  readonly epoch: string | undefined;
  /** The newest offset at the last retention or recovery. */
  readonly last: number;
  /** The oldest offset that retention has left; undefined where it never removed any. */
  readonly first: number | undefined;
  /** What is said there about the encryption of fields, by name (journal-sealing.ts). */
  readonly atRest: ReadonlyMap<string, string>;
}

/** Where the migrations put the roots of the tables that are read without SQLite, for a file whose first page says nothing any more. */
const knownRoots: Readonly<Record<string, number>> = { meta: 6, block: 7, retained: 8, cursor: 10 };
/** With it begin the names of what `meta` says about the encryption of fields. */
export const atRestPrefix = "at-rest:";
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The rows of a table of the journal, as far as they can be read. */
export function rowsOfTable(source: PageSource, name: string): Generator<Row> {
  return rowsOfTree(source, rootOf(source, name));
}

/** Reads `meta`. */
export function readMeta(source: PageSource): JournalMeta {
  const values = new Map<unknown, unknown>();
  for (const row of rowsOfTable(source, "meta")) if (row.values.length === 2) values.set(row.values[0], row.values[1]);
  const epoch = values.get("epoch");
  const atRest = new Map([...values].filter((row): row is [string, string] => typeof row[0] === "string" && row[0].startsWith(atRestPrefix) && typeof row[1] === "string"));
  const offset = (name: string): number | undefined => {
    const value = Number(values.get(name));
    return values.has(name) && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  };
  return { epoch: typeof epoch === "string" && uuid.test(epoch) ? epoch : undefined, last: offset("last") ?? 0, first: offset("first"), atRest };
}

/** The newest offset that the tables hold. */
export function lastOffset(source: PageSource): number {
  return Math.max(readMeta(source).last, lastKeyOfTree(source, rootOf(source, "block")) ?? 0);
}

/** The whole blocks that begin on a page, whether the page still belongs to the table or not: the checksum tells. */
export function* blocksOfPage(source: PageSource, number: number, epoch: string): Generator<Block> {
  for (const { key, values } of rowsOfPage(source, number)) {
    if (key === undefined || values.length !== 7) continue;
    const [, first, min_time, max_time, received, crc, body] = values;
    const block = { last: key, first, min_time, max_time, received, crc, body } as Block;
    if (Number.isSafeInteger(first) && block.first > 0 && isWhole(block, epoch)) yield block;
  }
}

/** Whether a file that SQLite takes for none of its own was once a journal of ours. */
export function isJournal(reader: PageReader, epoch: string | undefined): boolean {
  const source: PageSource = (number) => reader.page(number);
  if (readMeta(source).epoch !== undefined) return true;
  for (let page = 2; epoch !== undefined && page <= reader.count; page++) for (const _block of blocksOfPage(source, page, epoch)) return true;
  return false;
}

function rootOf(source: PageSource, name: string): number {
  for (const { values } of rowsOfTree(source, 1)) if (values[0] === "table" && values[1] === name && typeof values[3] === "number") return values[3];
  return knownRoots[name]!;
}
