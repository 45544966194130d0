import { coalesce, type Block, type Span } from "./coalesce.ts";
import { isBitTable, type Table } from "./pdu.ts";

/** What is read: a value in a table, and what the plan has learned about it. */
export interface Slot extends Span {
  readonly table: Table;
  /** Set while the device refuses to show it: when it is asked again, and the pause before that, in ms. */
  refused?: { readonly until: number; readonly pause: number } | undefined;
}

/** A request of a plan, and what has been learned about it. Good until the plan changes. */
export interface PlannedBlock<S extends Slot = Slot> extends Block<S> {
  readonly table: Table;
  /** When it is read again although it brought nothing, and the pause before that, in ms. */
  silent?: { readonly until: number; readonly pause: number } | undefined;
  /** When it is taken apart again to see which part the device refuses, and the pause before that, in ms. */
  refused?: { readonly until: number; readonly pause: number } | undefined;
}

/** A block and its two parts. */
export interface PartedBlock<S extends Slot> {
  readonly block: PlannedBlock<S>;
  readonly parts: readonly [PlannedBlock<S>, PlannedBlock<S>];
}

/** What a plan keeps to. */
export interface ReadPlanLimits {
  readonly maxRegisters: number;
  readonly maxBits: number;
  /** Cells that nobody wants between two values of one request. */
  readonly maxGap: number;
  /** Milliseconds after which what was learned is tried anew. */
  readonly relearn: number;
}

const firstPause = 1000;

/** The pause after `pause`: twice as long, up to `most`. */
export function nextPause(before: { readonly pause: number } | undefined, { now, most }: { readonly now: number; readonly most: number }): { readonly until: number; readonly pause: number } {
  const pause = before === undefined ? Math.min(firstPause, most) : Math.min(2 * before.pause, most);
  return { until: now + pause, pause };
}

/** How many cells the device brings in one request, as far as it is known. */
interface Length {
  /** So many it did. */
  readonly good: number;
  /** So many it refused. */
  readonly bad: number;
  readonly until: number;
}

/**
 * Which requests bring the values of a poll group. It learns from refusals. Where both halves of a refused request are answered, it was either too long, and by halving what is between a length that
 * was refused and one that was not the right one is found, or there is something between the halves, and they are not merged again. What is refused by itself is asked for by itself with
 * growing pauses, and the others are read around it. All of it for a while: then it is tried anew.
 */
export class ReadPlan<S extends Slot> {
  readonly #slots: readonly S[];
  readonly #limits: ReadPlanLimits;
  #barriers: readonly { readonly table: Table; readonly address: number; readonly until: number }[] = [];
  readonly #lengths = new Map<Table, Length>();
  #blocks: readonly PlannedBlock<S>[] | undefined;

  constructor(slots: readonly S[], limits: ReadPlanLimits) {
    this.#slots = slots;
    this.#limits = limits;
  }

  /** The requests that are due. */
  blocks(now: number): readonly PlannedBlock<S>[] {
    this.#forget(now);
    this.#blocks ??= this.#lay(this.#slots.filter(({ refused }) => refused === undefined), this.#limits.maxGap);
    const again = this.#slots.filter(({ refused }) => refused !== undefined && now >= refused.until);
    const due = this.#blocks.filter(({ silent }) => silent === undefined || now >= silent.until);
    return again.length === 0 ? due : [...due, ...apart(again)];
  }

  /** A block in two parts, neither of which cuts a value: at its widest gap, else near its middle. Undefined where it cannot be parted. */
  split(block: PlannedBlock<S>): PartedBlock<S>["parts"] | undefined {
    const { spans, table } = block;
    const middle = block.address + block.cells / 2;
    let end = block.address;
    let best: { readonly at: number; readonly gap: number; readonly off: number } | undefined;
    spans.forEach(({ address, cells }, at) => {
      const gap = address - end;
      const off = Math.abs(address - middle);
      if (at > 0 && gap >= 0 && (best === undefined || gap > best.gap || (gap === best.gap && off < best.off))) best = { at, gap, off };
      end = Math.max(end, address + cells);
    });
    return best === undefined ? undefined : [whole(table, spans.slice(0, best.at)), whole(table, spans.slice(best.at))];
  }

  /** Both parts of a block were answered, together they were refused. */
  separate({ block, parts: [first, second] }: PartedBlock<S>, now: number): void {
    const until = now + this.#limits.relearn;
    const before = this.#lengths.get(block.table);
    // Where nothing lies between the values that are wanted, and each of them is shown, only the length is left.
    if (isDense(block)) this.#lengths.set(block.table, { good: Math.max(first.cells, second.cells, before?.good ?? 0), bad: Math.min(block.cells, before?.bad ?? block.cells), until });
    else this.#barriers = [...this.#barriers, { table: second.table, address: second.address, until }];
    this.#blocks = undefined;
  }

  /** The device refuses these values, and shows others. */
  refuse(slots: readonly S[], now: number): void {
    for (const slot of slots) slot.refused = nextPause(slot.refused, { now, most: this.#limits.relearn });
    this.#blocks = undefined;
  }

  /** The device shows these values. */
  accept(block: PlannedBlock<S>): void {
    for (const slot of block.spans) {
      if (slot.refused === undefined) continue;
      slot.refused = undefined;
      this.#blocks = undefined;
    }
    const length = this.#lengths.get(block.table);
    if (length === undefined || block.cells <= length.good || block.cells >= length.bad) return;
    this.#lengths.set(block.table, { ...length, good: block.cells });
    this.#blocks = undefined;
  }

  #forget(now: number): void {
    for (const [table, { until }] of this.#lengths) {
      if (now < until) continue;
      this.#lengths.delete(table);
      this.#blocks = undefined;
    }
    if (this.#barriers.every(({ until }) => now < until)) return;
    this.#barriers = this.#barriers.filter(({ until }) => now < until);
    this.#blocks = undefined;
  }

  #lay(slots: readonly S[], gap: number): readonly PlannedBlock<S>[] {
    return tablesOf(slots).flatMap((table) => {
      const refused = this.#slots.filter((slot) => slot.table === table && slot.refused !== undefined);
      const barriers = [...this.#barriers.filter((one) => one.table === table), ...refused].map(({ address }) => address);
      return coalesce(slots.filter((slot) => slot.table === table), { most: this.#most(table), gap, barriers }).map((block) => ({ ...block, table }));
    });
  }

  #most(table: Table): number {
    const { maxBits, maxRegisters } = this.#limits;
    const length = this.#lengths.get(table);
    return Math.min(isBitTable(table) ? maxBits : maxRegisters, length === undefined ? Number.POSITIVE_INFINITY : (length.good + length.bad) >> 1);
  }
}

const tablesOf = (slots: readonly Slot[]): readonly Table[] => [...new Set(slots.map(({ table }) => table))];

/** A request for each value, but for those that share cells. */
function apart<S extends Slot>(slots: readonly S[]): readonly PlannedBlock<S>[] {
  return tablesOf(slots).flatMap((table) => coalesce(slots.filter((slot) => slot.table === table), { most: 0, gap: -1 }).map((block) => ({ ...block, table })));
}

function whole<S extends Slot>(table: Table, spans: readonly S[]): PlannedBlock<S> {
  const address = spans[0]!.address;
  return { table, address, cells: Math.max(...spans.map((span) => span.address + span.cells)) - address, spans };
}

/** Whether each of its cells is wanted. */
function isDense({ spans, address }: PlannedBlock): boolean {
  let end = address;
  for (const span of spans) {
    if (span.address > end) return false;
    end = Math.max(end, span.address + span.cells);
  }
  return true;
}
