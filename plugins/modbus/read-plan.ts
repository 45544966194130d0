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

/**
 * Which requests bring the values of a poll group. It learns from refusals: where two halves of a refused request are answered one by one, they are not merged again for a while; what is
 * refused by itself is asked for with growing pauses, by itself, and does not hold up the others.
 */
export class ReadPlan<S extends Slot> {
  readonly #slots: readonly S[];
  readonly #limits: ReadPlanLimits;
  #barriers: readonly { readonly table: Table; readonly address: number; readonly until: number }[] = [];
  #blocks: readonly PlannedBlock<S>[] | undefined;

  constructor(slots: readonly S[], limits: ReadPlanLimits) {
    this.#slots = slots;
    this.#limits = limits;
  }

  /** The requests that are due. */
  blocks(now: number): readonly PlannedBlock<S>[] {
    if (this.#barriers.some(({ until }) => now >= until)) {
      this.#barriers = this.#barriers.filter(({ until }) => now < until);
      this.#blocks = undefined;
    }
    this.#blocks ??= this.#lay(this.#slots.filter(({ refused }) => refused === undefined), this.#limits.maxGap);
    const again = this.#slots.filter(({ refused }) => refused !== undefined && now >= refused.until);
    const due = this.#blocks.filter(({ silent }) => silent === undefined || now >= silent.until);
    return again.length === 0 ? due : [...due, ...apart(again)];
  }

  /** The two halves of a block, between which no value lies; undefined where there is no such place. */
  split(block: PlannedBlock<S>): readonly [PlannedBlock<S>, PlannedBlock<S>] | undefined {
    const { spans, table } = block;
    let end = 0;
    const places: number[] = [];
    spans.forEach(({ address, cells }, at) => {
      if (at > 0 && address >= end) places.push(at);
      end = Math.max(end, address + cells);
    });
    const middle = block.address + block.cells / 2;
    const place = places.toSorted((a, b) => Math.abs(spans[a]!.address - middle) - Math.abs(spans[b]!.address - middle))[0];
    return place === undefined ? undefined : [whole(table, spans.slice(0, place)), whole(table, spans.slice(place))];
  }

  /** Both sides of this address were answered, together they were refused. */
  separate({ table, address }: PlannedBlock<S>, now: number): void {
    this.#barriers = [...this.#barriers, { table, address, until: now + this.#limits.relearn }];
    this.#blocks = undefined;
  }

  /** The device refuses these values, and shows others. */
  refuse(slots: readonly S[], now: number): void {
    for (const slot of slots) slot.refused = nextPause(slot.refused, { now, most: this.#limits.relearn });
    this.#blocks = undefined;
  }

  /** The device shows these values. */
  accept(slots: readonly S[]): void {
    for (const slot of slots) {
      if (slot.refused === undefined) continue;
      slot.refused = undefined;
      this.#blocks = undefined;
    }
  }

  #lay(slots: readonly S[], gap: number): readonly PlannedBlock<S>[] {
    const { maxBits, maxRegisters } = this.#limits;
    return tablesOf(slots).flatMap((table) => {
      const barriers = this.#barriers.filter((one) => one.table === table).map(({ address }) => address);
      const most = isBitTable(table) ? maxBits : maxRegisters;
      return coalesce(slots.filter((slot) => slot.table === table), { most, gap, barriers }).map((block) => ({ ...block, table }));
    });
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
