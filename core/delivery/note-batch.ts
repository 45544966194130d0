/** Items of one note at the most. */
const maxItems = 1000;

/**
 * Gathers what is to be noted in the journal, so that the items of one turn of the event loop share a message. The constructor takes what writes a note: it is given the items, 1 to 1,000 in order, and tells `done` when they are in the journal, or the error
 * when they are not.
 */
export class NoteBatch<T> {
  readonly #deliver: (items: readonly T[], done: (error: unknown) => void) => void;
  #items: T[] = [];
  #waiting: ((error: unknown) => void)[] = [];

  constructor(deliver: (items: readonly T[], done: (error: unknown) => void) => void) {
    this.#deliver = deliver;
  }

  /** Notes it; `done` is called when that is in the journal, or with the error when it is not. */
  add(item: T, done: (error: unknown) => void): void {
    if (this.#items.length === 0) setImmediate(this.#write);
    this.#items.push(item);
    this.#waiting.push(done);
    if (this.#items.length >= maxItems) this.#write();
  }

  readonly #write = (): void => {
    const items = this.#items;
    const waiting = this.#waiting;
    if (items.length === 0) return;
    this.#items = [];
    this.#waiting = [];
    this.#deliver(items, (error) => {
      for (const tell of waiting) tell(error);
    });
  };
}
