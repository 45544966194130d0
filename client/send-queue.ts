/** What waits in a queue; what is over meanwhile is passed by. */
interface Item {
  readonly over: boolean;
}

/** Items in the order in which they are to be sent. Taking one from the front does not move the others. */
export class SendQueue<T extends Item> {
  #items: T[] = [];
  #head = 0;

  /** Items that wait, those that are over meanwhile included. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Adds one at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Puts back what has to be sent again, before everything else. */
  putBack(items: Iterable<T>): void {
    this.#items = [...items, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  /** The first one that is not over; undefined when there is none. */
  first(): T | undefined {
    while (this.#items[this.#head]?.over) this.#head++;
    return this.#items[this.#head];
  }

  /** Takes the first one out. */
  shift(): T | undefined {
    const item = this.first();
    if (item === undefined) return undefined;
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) this.putBack([]);
    return item;
  }
}
