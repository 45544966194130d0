import { pageSize } from "./wal-reader.ts";

/** A value of a record. */
export type Value = number | string | null | Buffer;

/** A row: its key where the table has one (`rowid`), and its columns. */
export interface Row {
  readonly key: number | undefined;
  readonly values: readonly Value[];
}

/** Gives the image of a page, or undefined. */
export type PageSource = (number: number) => Buffer | undefined;

/** A row longer than this is none of ours. */
const maxPayload = 600 * 1024 * 1024;
const [tableLeaf, tableNode, indexLeaf, indexNode] = [0x0d, 0x05, 0x0a, 0x02];

/**
 * The rows of one page (sqlite.org/fileformat2.html#b_tree_pages), whether it is still part of a tree or not; those that cannot be read are left out.
 * A node of an index, which is how SQLite stores a table without rowid, has rows too.
 */
export function* rowsOfPage(source: PageSource, number: number): Generator<Row> {
  const page = source(number);
  if (!page) return;
  const head = number === 1 ? 100 : 0;
  const kind = page[head]!;
  if (kind !== tableLeaf && kind !== indexLeaf && kind !== indexNode) return;
  for (const start of cells(page, head)) {
    const row = readRow(source, page, kind === indexNode ? start + 4 : start, kind === tableLeaf);
    if (row) yield row;
  }
}

/** The rows of the tree with this root, in order of key; subtrees that cannot be read are left out. */
export function* rowsOfTree(source: PageSource, root: number): Generator<Row> {
  const seen = new Set<number>(); // damaged pages may point in a circle
  function* walk(number: number): Generator<Row> {
    const page = seen.has(number) ? undefined : source(number);
    if (!page) return;
    seen.add(number);
    const head = number === 1 ? 100 : 0;
    const kind = page[head];
    if (kind === tableNode || kind === indexNode) {
      for (const start of cells(page, head)) {
        yield* walk(page.readUInt32BE(start));
        const row = kind === indexNode ? readRow(source, page, start + 4, false) : undefined;
        if (row) yield row;
      }
      yield* walk(page.readUInt32BE(head + 8));
    } else {
      yield* rowsOfPage(source, number);
    }
  }
  yield* walk(root);
}

/** The largest key of a table with rowids; undefined when it has none, or the way there is damaged. */
export function lastKeyOfTree(source: PageSource, root: number): number | undefined {
  let number = root;
  for (let depth = 0; depth < 20; depth++) {
    const page = source(number);
    if (page?.[0] !== tableNode) break;
    number = page.readUInt32BE(8);
  }
  let last: number | undefined;
  for (const { key } of rowsOfPage(source, number)) last = key;
  return last;
}

/** Where the cells of a page begin. */
function* cells(page: Buffer, head: number): Generator<number> {
  const kind = page[head];
  const array = head + (kind === tableNode || kind === indexNode ? 12 : 8);
  const count = Math.min(page.readUInt16BE(head + 3), Math.floor((pageSize - array) / 2));
  for (let at = 0; at < count; at++) {
    const start = page.readUInt16BE(array + at * 2);
    if (start >= array + count * 2 && start <= pageSize - 4) yield start;
  }
}

function readRow(source: PageSource, page: Buffer, start: number, table: boolean): Row | undefined {
  const reader = { bytes: page, at: start };
  const size = readVarint(reader);
  const key = table ? readVarint(reader) : undefined;
  if (!(size >= 1 && size <= maxPayload) || (key !== undefined && !Number.isSafeInteger(key))) return undefined;
  const payload = readPayload(source, page, { start: reader.at, size, table });
  const values = payload && readRecord(payload);
  return values && { key, values };
}

/** The payload of a cell with its overflow pages (fileformat2.html#cell_payload_overflow_pages). */
function readPayload(source: PageSource, page: Buffer, cell: { readonly start: number; readonly size: number; readonly table: boolean }): Buffer | undefined {
  const { start, size, table } = cell;
  const most = table ? pageSize - 35 : Math.floor(((pageSize - 12) * 64) / 255) - 23;
  const least = Math.floor(((pageSize - 12) * 32) / 255) - 23;
  const some = least + ((size - least) % (pageSize - 4));
  const here = size <= most ? size : some <= most ? some : least;
  if (start + here + (here < size ? 4 : 0) > pageSize) return undefined;
  if (here === size) return page.subarray(start, start + size);
  const parts = [page.subarray(start, start + here)];
  let next = page.readUInt32BE(start + here);
  for (let left = size - here; left > 0; ) {
    const more = source(next);
    if (!more) return undefined;
    parts.push(more.subarray(4, 4 + Math.min(left, pageSize - 4)));
    left -= pageSize - 4;
    next = more.readUInt32BE(0);
  }
  return Buffer.concat(parts, size);
}

/** The columns of a record (fileformat2.html#record_format); undefined when it is none. */
function readRecord(payload: Buffer): Value[] | undefined {
  const reader = { bytes: payload, at: 0 };
  const headerEnd = readVarint(reader);
  if (!(headerEnd <= payload.length)) return undefined;
  const values: Value[] = [];
  let at = headerEnd;
  while (reader.at < headerEnd) {
    const type = readVarint(reader);
    const length = type < 5 ? type : type === 5 ? 6 : type < 8 ? 8 : type < 12 ? 0 : Math.floor((type - 12) / 2);
    if (!(at + length <= payload.length) || type === 10 || type === 11) return undefined;
    if (type >= 12) values.push(type % 2 === 0 ? payload.subarray(at, at + length) : payload.toString("utf8", at, at + length));
    else if (type === 0) values.push(null);
    else if (type === 7) values.push(payload.readDoubleBE(at));
    else if (type >= 8) values.push(type - 8);
    else values.push(length === 8 ? Number(payload.readBigInt64BE(at)) : payload.readIntBE(at, length));
    at += length;
  }
  return values;
}

/** A number of 1 to 9 bytes (fileformat2.html#varint); NaN beyond what a number holds or the bytes end. */
function readVarint(reader: { readonly bytes: Buffer; at: number }): number {
  let value = 0;
  for (let count = 0; count < 8; count++) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) return Number.NaN;
    value = value * 128 + (byte & 127);
    if (byte < 128) return value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN;
  }
  return Number.NaN;
}
