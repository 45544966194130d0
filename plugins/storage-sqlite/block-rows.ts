import type { StatementSync } from "node:sqlite";
import type { Block } from "./block.ts";

/** Rows fetched at once at the most. */
const mostRows = 64;

/**
 * Walks over blocks, or what else is kept by the offset of a last entry, from `start` on, a few more at a time. `statement` takes a key and a limit and gives the rows that follow that key in its order.
 * Not `iterate`: in Deno 2.9 an error of SQLite's ends that one without a word, as if there were no more rows.
 */
export function* walkBlocks<Row extends { readonly last: number } = Block>(statement: StatementSync, start: number): Generator<Row> {
  let key = start;
  for (let limit = 1; ; limit = Math.min(limit * 4, mostRows)) {
    const rows = statement.all(key, limit) as unknown as Row[];
    yield* rows;
    if (rows.length < limit) return;
    key = rows.at(-1)!.last;
  }
}
