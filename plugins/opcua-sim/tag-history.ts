import type { Simulation } from "./simulation.ts";

/** Values of one tag, oldest first, as flat lists. */
export interface HistorySlice {
  /** Float64Array: milliseconds since the Unix epoch, at the source. */
  readonly times: ArrayBuffer;
  /** Float64Array: the numbers that stand for the values. */
  readonly values: ArrayBuffer;
  /** Uint16Array: places in the simulation's `codes`. */
  readonly status: ArrayBuffer;
}

/** What is wanted of a tag's past; both ends belong to it. */
export interface HistoryQuery {
  /** Milliseconds since the Unix epoch; left out for no end on that side. */
  readonly from?: number;
  readonly to?: number;
  /** How many at the most; 0 for all. */
  readonly limit: number;
  /** Whether the limit counts from the newest. */
  readonly newest: boolean;
}

interface Ring {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly status: Uint16Array;
  /** How many were ever written; the next goes to that place modulo the length. */
  written: number;
}

/**
 * The last values of every tag, as historians keep them: a value is kept when it or its status is another one. It lives where the plant does, so it goes on while
 * no client is there and while the OPC UA server is restarted. 18 bytes a value.
 */
export class TagHistory {
  readonly #simulation: Simulation;
  readonly #rings: Ring[];
  readonly #unlisten: () => void;

  /** `depth`: how many values of each tag are kept. */
  constructor(simulation: Simulation, depth: number) {
    this.#simulation = simulation;
    this.#rings = simulation.plant.tags.map(() => ({ times: new Float64Array(depth), values: new Float64Array(depth), status: new Uint16Array(depth), written: 0 }));
    const keep = (): void => this.#keep();
    this.#unlisten = simulation.listen({ stepped: keep, written: keep, impaired: keep });
  }

  /** The values of the tag at that place that a query asks for. */
  slice(index: number, query: HistoryQuery): HistorySlice {
    const ring = this.#rings[index]!;
    const depth = ring.times.length;
    const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, limit, newest } = query;
    let places: number[] = [];
    for (let k = Math.max(0, ring.written - depth); k < ring.written; k++) {
      const time = ring.times[k % depth]!;
      if (time >= from && time <= to) places.push(k % depth);
    }
    if (limit > 0) places = newest ? places.slice(-limit) : places.slice(0, limit);
    return {
      times: Float64Array.from(places, (at) => ring.times[at]!).buffer,
      values: Float64Array.from(places, (at) => ring.values[at]!).buffer,
      status: Uint16Array.from(places, (at) => ring.status[at]!).buffer,
    };
  }

  /** Keeps no more. */
  close(): void {
    this.#unlisten();
  }

  #keep(): void {
    const { values, status, shift, now } = this.#simulation;
    for (let i = 0; i < this.#rings.length; i++) {
      const ring = this.#rings[i]!;
      const depth = ring.times.length;
      const last = (ring.written - 1) % depth;
      if (ring.written > 0 && ring.values[last] === values[i] && ring.status[last] === status[i]) continue;
      const at = ring.written++ % depth;
      ring.times[at] = now + shift[i]!;
      ring.values[at] = values[i]!;
      ring.status[at] = status[i]!;
    }
  }
}
