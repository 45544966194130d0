/** Remembers one value per topic, of at most `limit` topics: the one that has gone longest without being set is forgotten first. */
export class TopicMemory<T> {
  readonly #values = new Map<string, T>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(topic: string): T | undefined {
    return this.#values.get(topic);
  }

  set(topic: string, value: T): void {
    this.#values.delete(topic);
    this.#values.set(topic, value);
    if (this.#values.size > this.#limit) for (const oldest of this.#values.keys()) return void this.#values.delete(oldest);
  }
}
