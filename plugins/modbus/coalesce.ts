/** Cells that have to be read together: those of one value. */
export interface Span {
  /** The first cell. */
  readonly address: number;
  /** How many there are, at least 1. */
  readonly cells: number;
}

/** What one request may cover. */
export interface CoalesceLimits {
  /** Cells of one request at the most. A span that is longer gets a request of its own. */
  readonly most: number;
  /** Cells between two spans that nobody wants and that are read all the same to save a request. 0: none. */
  readonly gap: number;
  /** Addresses at which a request ends: one that begins before such an address takes no span that begins there or behind it. Default none. */
  readonly barriers?: readonly number[];
}

/** One request: the cells `address` to `address + cells - 1`, and the spans it brings. */
export interface Block<S extends Span> extends Span {
  readonly spans: readonly S[];
}

/**
 * Lays spans of one table into as few requests as the limits allow, none of them split. Spans may overlap. For spans that do not overlap the number of requests is the least there is: from
 * the first cell that is still wanted on, each request takes all it can.
 */
export function coalesce<S extends Span>(spans: readonly S[], { most, gap, barriers = [] }: CoalesceLimits): readonly Block<S>[] {
  const sorted = [...spans].sort((a, b) => a.address - b.address || a.cells - b.cells);
  const blocks: Block<S>[] = [];
  for (let left = sorted; left.length > 0; ) {
    const first = left[0]!;
    const barrier = Math.min(...barriers.filter((one) => one > first.address));
    const taken: S[] = [];
    const rest: S[] = [];
    let end = first.address + first.cells;
    for (const span of left) {
      const to = span.address + span.cells;
      const fits = span.address - end <= gap && to - first.address <= most && span.address < barrier;
      if (fits || to <= end) {
        taken.push(span);
        end = Math.max(end, to);
      } else rest.push(span);
    }
    blocks.push({ address: first.address, cells: end - first.address, spans: taken });
    left = rest;
  }
  return blocks;
}
