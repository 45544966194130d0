/**
 * Remembers which (`from`, `msgid`) came lately, so that a message that is sent again is acknowledged again and goes nowhere. Oldest forgotten first.
 */
export class DedupeWindow {
  /** The place of each key in the two rings. */
  readonly #places = new Map<string, number>();
  /** Keys in order of arrival, over and over: asking a Map for its oldest key would walk over all that were deleted before it. */
  readonly #keys: string[] = [];
  readonly #offsets: number[] = [];
  readonly #limit: number;
  #next = 0;

  /** `limit`: messages remembered at the most; 0 = none. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#places.size;
  }

  /** The offset under which that message was stored, or undefined. */
  find(key: string): number | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#offsets[place];
  }

  /** Remembers a message as the newest. */
  add(key: string, offset: number): void {
    if (this.#limit === 0) return;
    const place = this.#next;
    this.#next = (place + 1) % this.#limit;
    const oldest = this.#keys[place];
    if (oldest !== undefined && this.#places.get(oldest) === place) this.#places.delete(oldest);
    this.#keys[place] = key;
    this.#offsets[place] = offset;
    this.#places.set(key, place);
  }
}

/** The key of a message: ids hold no NUL, so no two pairs share one. */
export function dedupeKey(message: { readonly from: string; readonly msgid: string }): string {
  return message.from + "\0" + message.msgid;
}
