import type { Store } from "./store.ts";

/** A store that outlives a client, but not its process: for an app that closes its client and makes another one, with what had waited. Values are kept as JSON text, as any other store would. */
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
