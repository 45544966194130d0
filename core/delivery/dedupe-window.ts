/**
 * Remembers which (`from`, `msgid`) came lately, so that a message that is sent again is acknowledged again and goes nowhere. Oldest forgotten first.
 */
export class DedupeWindow {
  readonly #offsets = new Map<string, number>();
  readonly #limit: number;

  /** `limit`: messages remembered at the most. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#offsets.size;
  }

  /** The offset under which that message was stored, or undefined. */
  find(key: string): number | undefined {
    return this.#offsets.get(key);
  }

  add(key: string, offset: number): void {
    if (this.#limit === 0) return;
    if (this.#offsets.size >= this.#limit) this.#offsets.delete(this.#offsets.keys().next().value!);
    this.#offsets.set(key, offset);
  }
}

/** The key of a message: ids hold no NUL, so no two pairs share one. */
export function dedupeKey(message: { readonly from: string; readonly msgid: string }): string {
  return message.from + "\0" + message.msgid;
}
