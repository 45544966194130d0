import type { Store } from "./store.ts";

/** Writes to a store in groups: what changes while one write is on its way goes with the next one. After a failure nothing is written any more: the client goes on without. */
export class StoreQueue {
  readonly #store: Store;
  readonly #failed: (error: unknown) => void;
  #changes = new Map<string, unknown>();
  #then: (() => void)[] = [];
  #writing = false;
  #broken = false;

  /** `failed`: told once that the store does not work. */
  constructor(store: Store, failed: (error: unknown) => void) {
    this.#store = store;
    this.#failed = failed;
  }

  /** Sets a value, or removes it with `undefined`. `then` is called when the store has it, or has failed: nobody is to wait for ever. */
  put(key: string, value: unknown, then?: () => void): void {
    this.#changes.set(key, value);
    if (then) this.#then.push(then);
    this.#schedule();
  }

  /** Whether the store has failed. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Resolves when everything so far is in the store, or it has failed. */
  saved(): Promise<void> {
    if (!this.#writing && this.#changes.size === 0 && this.#then.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#then.push(resolve);
      this.#schedule();
    });
  }

  /** Writes what is left and lets go of the store. */
  async close(): Promise<void> {
    await this.saved();
    await this.#store.close();
  }

  #schedule(): void {
    if (this.#writing) return;
    this.#writing = true;
    queueMicrotask(() => void this.#write());
  }

  async #write(): Promise<void> {
    while (this.#changes.size > 0 || this.#then.length > 0) {
      const [changes, then] = [this.#changes, this.#then];
      this.#changes = new Map();
      this.#then = [];
      if (!this.#broken && changes.size > 0) {
        try {
          await this.#store.write(changes);
        } catch (error) {
          this.#broken = true;
          this.#failed(error);
        }
      }
      for (const call of then) call();
    }
    this.#writing = false;
  }
}
