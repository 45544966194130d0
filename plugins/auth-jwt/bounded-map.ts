/** A map that never holds more than `limit` entries: the one that was set longest ago makes room. */
export class BoundedMap<V> {
  readonly #entries = new Map<string, V>();
  readonly #limit: number;

  /** `limit`: entries at the most; with 0 it remembers nothing. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many entries it holds. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value under `key`, or undefined. */
  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  /** Puts `value` under `key` and makes it the youngest. */
  set(key: string, value: V): void {
    this.#entries.delete(key);
    if (this.#limit === 0) return;
    if (this.#entries.size >= this.#limit) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(key, value);
  }

  /** Forgets `key`. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}
