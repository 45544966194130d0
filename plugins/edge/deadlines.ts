import type { Clock } from "@busbar/core";

interface Queued<K> {
  readonly key: K;
  readonly at: number;
}

/**
 * Calls back when keys fall due: one timer for all of them. To put a deadline off, which happens with every sample of a series, costs two map accesses: what waits in the heap is only
 * looked at again when its time has come.
 */
export class Deadlines<K> {
  readonly #clock: Clock;
  readonly #onDue: (key: K) => void;
  /** When a key falls due, and where it stands in the heap: never later than that. */
  readonly #due = new Map<K, number>();
  readonly #queued = new Map<K, number>();
  readonly #heap: Queued<K>[] = [];
  #cancel: (() => void) | undefined;
  #timer = Number.POSITIVE_INFINITY;

  /** `onDue` is called once for each deadline that has come; it may set new ones. */
  constructor(clock: Clock, onDue: (key: K) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#due.size;
  }

  /** Sets when `key` falls due, ms since the Unix epoch on the gateway's clock, in place of what was set before. */
  set(key: K, at: number): void {
    this.#due.set(key, at);
    const queued = this.#queued.get(key);
    if (queued !== undefined && queued <= at) return;
    this.#queued.set(key, at);
    push(this.#heap, { key, at });
    this.#arm();
  }

  delete(key: K): void {
    this.#due.delete(key);
    if (this.#due.size === 0) this.close();
  }

  /** Forgets everything. */
  close(): void {
    this.#due.clear();
    this.#queued.clear();
    this.#heap.length = 0;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#timer = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const next = this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
    if (next >= this.#timer) return;
    this.#cancel?.();
    this.#timer = next;
    this.#cancel = this.#clock.after(Math.max(0, next - this.#clock.now()), () => this.#run());
  }

  #run(): void {
    this.#cancel = undefined;
    this.#timer = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    try {
      for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
        pop(this.#heap);
        if (this.#queued.get(first.key) !== first.at) continue;
        this.#queued.delete(first.key);
        const due = this.#due.get(first.key);
        if (due === undefined) continue;
        if (due > now) {
          this.#queued.set(first.key, due);
          push(this.#heap, { key: first.key, at: due });
          continue;
        }
        this.#due.delete(first.key);
        this.#onDue(first.key);
      }
    } finally {
      this.#arm();
    }
  }
}

function push<K>(heap: Queued<K>[], item: Queued<K>): void {
  let at = heap.length;
  heap.push(item);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]!.at <= item.at) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = item;
}

function pop<K>(heap: Queued<K>[]): void {
  const item = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
    if (heap[child]!.at >= item.at) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = item;
}
