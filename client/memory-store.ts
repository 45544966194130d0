import type { Store } from "./store.ts";

/** Keeps what waits in the memory of the process, as JSON text like every store: a client that is made with it goes on where an earlier one was closed. */
export function memoryStore(): Store {
  const values = new Map<string, string>();
  return {
    async load() {
      return new Map(Array.from(values, ([key, text]) => [key, JSON.parse(text) as unknown]));
    },
    async write(changes) {
      for (const [key, value] of changes) {
        if (value === undefined) values.delete(key);
        else values.set(key, JSON.stringify(value));
      }
    },
    async close() {},
  };
}
