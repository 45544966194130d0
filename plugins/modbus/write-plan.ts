import { coalesce } from "./coalesce.ts";
import { maxWriteBits } from "./pdu.ts";
import type { Point } from "./point.ts";
import type { CellValues } from "./write-value.ts";

/** What a command wants: a point, and what is to be in its cells. */
export interface WantedValue extends CellValues {
  readonly point: Point;
}

/** One write: cells that follow each other, or some bits of one register. */
export interface Write {
  readonly table: "coil" | "holding";
  readonly address: number;
  readonly cells: readonly number[];
  /** Bits of the one register that change; absent: all. */
  readonly mask?: number;
  /** Whose values it writes. */
  readonly tags: readonly string[];
}

/**
 * Lays values into as few writes as there can be without writing a cell that nobody wants to, and without splitting a value: neighbours go together, so that the device takes them at once,
 * and so do bits of one register, which come last. Where two values name the same cell the later one counts. `maxRegisters`: of one write.
 */
export function planWrites(wanted: readonly WantedValue[], { maxRegisters }: { readonly maxRegisters: number }): readonly Write[] {
  const whole = (["coil", "holding"] as const).flatMap((table) => {
    const spans = wanted.filter(({ point, mask }) => point.table === table && mask === undefined).map((one) => ({ address: one.point.address, cells: one.point.cells, one }));
    return coalesce(spans, { most: table === "coil" ? maxWriteBits : maxRegisters, gap: 0 }).map(({ address, cells, spans: together }): Write => {
      const values = new Array<number>(cells).fill(0);
      for (const { one } of wanted.flatMap((each) => together.filter((span) => span.one === each))) one.cells.forEach((value, at) => (values[one.point.address - address + at] = value));
      return { table, address, cells: values, tags: together.map(({ one }) => one.point.tag) };
    });
  });
  return [...whole, ...planBits(wanted.filter(({ mask }) => mask !== undefined))];
}

function planBits(wanted: readonly WantedValue[]): readonly Write[] {
  const registers = new Map<number, { value: number; mask: number; readonly tags: string[] }>();
  for (const { point, cells, mask = 0 } of wanted) {
    const before = registers.get(point.address) ?? { value: 0, mask: 0, tags: [] };
    registers.set(point.address, { value: (before.value & ~mask) | (cells[0]! & mask), mask: before.mask | mask, tags: [...before.tags, point.tag] });
  }
  return [...registers].map(([address, { value, mask, tags }]) => ({ table: "holding", address, cells: [value], ...(mask === 0xffff ? {} : { mask }), tags }));
}
