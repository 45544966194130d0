import process from "node:process";

/** Inputs between two looks, and looks that make one window. */
const stride = 4096;
const windowLooks = 32;
/** What the lowest point of a window may lie above that of the first: caches fill, code is compiled. */
const allowance = 48 * 1024 * 1024;

/**
 * Finds out whether something holds more and more memory, without asking for a garbage collection, which Deno does not offer: in each window of some 130,000 inputs the heap has a lowest point,
 * just after one; when three of these in a row lie far above the first, and each above the one before, it grows.
 */
export class HeapWatch {
  #lowest = Infinity;
  #looks = 0;
  #floors: number[] = [];

  /** Looks, now and then. Returns the bytes of growth when it is too much. */
  look(count: number): number | undefined {
    if ((count & ~255) % stride !== 0) return undefined;
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    this.#lowest = Math.min(this.#lowest, heapUsed + arrayBuffers);
    if (++this.#looks % windowLooks !== 0) return undefined;
    this.#floors.push(this.#lowest);
    this.#lowest = Infinity;
    const [one, two, three] = this.#floors.slice(-3) as [number, number, number];
    if (this.#floors.length < 4 || two <= one || three <= two || one - this.#floors[0]! < allowance) return undefined;
    return three - this.#floors[0]!;
  }
}
