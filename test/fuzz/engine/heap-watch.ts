import process from "node:process";

/** Inputs between two looks: a garbage collection takes some milliseconds. */
const stride = 131_072;
/** What is held may be this much more than at the first look: caches fill, code is compiled. */
const allowance = 48 * 1024 * 1024;

/**
 * Finds out whether something holds more and more memory: what is still held after a garbage collection, three times in a row far above the first look, and each time more. Without `--expose-gc` it finds nothing, as
 * a heap that nobody collects proves nothing.
 */
export class HeapWatch {
  readonly #held: number[] = [];

  /** Looks, now and then. Returns the bytes of growth when it is too much. */
  look(count: number): number | undefined {
    if (globalThis.gc === undefined || (count & ~255) % stride !== 0) return undefined;
    globalThis.gc();
    const { heapUsed, external } = process.memoryUsage(); // external: with array buffers; Deno counts them nowhere else
    this.#held.push(heapUsed + external);
    const first = this.#held[0]!;
    const [one, two, three] = this.#held.slice(-3) as [number, number, number];
    if (this.#held.length < 4 || two <= one || three <= two || one - first < allowance) return undefined;
    return three - first;
  }
}
