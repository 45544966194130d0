/** What has arrived and was not taken yet, with a way to wait for more. */
export class Arrivals<T> {
  readonly #items: T[] = [];
  #over: string | undefined;
  #wake: (() => void) | undefined;

  push(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** Nothing comes any more; `reason` is what whoever waits is told. */
  end(reason: string): void {
    this.#over ??= reason;
    this.#wake?.();
  }

  get length(): number {
    return this.#items.length;
  }

  /** The next one that fits, leaving out others. @throws {Error} when there will be none, or none comes within 5 s. */
  async next(fits: (item: T) => boolean = () => true): Promise<T> {
    for (;;) {
      while (this.#items.length > 0) {
        const item = this.#items.shift()!;
        if (fits(item)) return item;
      }
      if (this.#over !== undefined) throw new Error(`nothing more arrives: ${this.#over}`);
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("nothing arrived within 5 s")), 5000);
        this.#wake = () => {
          clearTimeout(timer);
          this.#wake = undefined;
          resolve();
        };
      });
    }
  }
}
