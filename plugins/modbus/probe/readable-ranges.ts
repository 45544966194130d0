import { ModbusFault } from "../modbus-fault.ts";
import { encodeRead, isBitTable, type Table } from "../pdu.ts";

/** Cells that were read. */
export interface ReadableRange {
  readonly address: number;
  /** Registers, or bits (0 and 1). */
  readonly cells: readonly number[];
}

/** What is asked for. */
export interface RangeQuery {
  readonly table: Table;
  readonly address: number;
  /** Cells: may be more than one request brings. */
  readonly count: number;
  /** Cells of one request at the most. */
  readonly most: number;
}

/** What came of it. */
export interface RangeResult {
  readonly ranges: readonly ReadableRange[];
  /** Why cells are missing: the first refusal. */
  readonly refusal?: string;
}

/**
 * Reads every cell of a range that the device shows: what it refuses is taken apart down to single cells. A stretch of 16 cells that is refused at its beginning, middle and end is left out as a whole.
 * @throws {ModbusFault} when it does not answer.
 */
export async function readRanges(query: RangeQuery, ask: (pdu: Uint8Array) => Promise<Uint8Array>): Promise<RangeResult> {
  const found: { address: number; cells: number[] }[] = [];
  let refusal: string | undefined;
  const tryRead = async (address: number, count: number): Promise<readonly number[] | undefined> => {
    try {
      return toCells(await ask(encodeRead(query.table, address, count)), { bits: isBitTable(query.table), count });
    } catch (error) {
      if (!(error instanceof ModbusFault) || error.kind !== "exception" || error.silent) throw error;
      refusal ??= error.code;
      return undefined;
    }
  };
  const keep = (address: number, cells: readonly number[]): void => {
    const last = found.at(-1);
    if (last !== undefined && last.address + last.cells.length === address) last.cells.push(...cells);
    else found.push({ address, cells: [...cells] });
  };
  const search = async (address: number, count: number): Promise<void> => {
    const cells = await tryRead(address, count);
    if (cells) return keep(address, cells);
    if (count === 1) return;
    if (count <= 16 && count > 2 && !(await anyOf([address, address + (count >> 1), address + count - 1]))) return;
    const half = count >> 1;
    await search(address, half);
    await search(address + half, count - half);
  };
  const anyOf = async (addresses: readonly number[]): Promise<boolean> => {
    for (const address of addresses) if (await tryRead(address, 1)) return true;
    return false;
  };
  for (let at = query.address; at < query.address + query.count; at += query.most) await search(at, Math.min(query.most, query.address + query.count - at));
  return { ranges: found, ...(refusal === undefined ? {} : { refusal }) };
}

function toCells(data: Uint8Array, { bits, count }: { readonly bits: boolean; readonly count: number }): readonly number[] {
  return Array.from({ length: count }, (_, at) => (bits ? (data[at >> 3]! >> (at & 7)) & 1 : (data[2 * at]! << 8) | data[2 * at + 1]!));
}
