type Listener = (...values: readonly unknown[]) => void;

/** Who listens to what, by event name. A listener that throws does not keep the others from hearing it. */
export class Listeners<Events extends { readonly [name in keyof Events]: readonly unknown[] }> {
  readonly #byName = new Map<keyof Events, Set<Listener>>();

  /** Adds a listener. Returns the function that removes it. */
  on<Name extends keyof Events>(name: Name, listener: (...values: Events[Name]) => void): () => void {
    const known = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, known);
    known.add(listener as unknown as Listener);
    return () => void known.delete(listener as unknown as Listener);
  }

  /** Calls the listeners of an event. */
  tell<Name extends keyof Events>(name: Name, ...values: Events[Name]): void {
    for (const listener of [...(this.#byName.get(name) ?? [])]) {
      try {
        listener(...values);
      } catch (error) {
        queueMicrotask(() => {
          throw error; // it is the listener's own fault, and is not to go unseen
        });
      }
    }
  }
}
