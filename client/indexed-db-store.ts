/**
 * A store for browsers.
 *
 * @module
 */
import type { Store } from "./store.ts";

/** What is used of IndexedDB: this source is checked without the types of browsers. */
interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}
interface ObjectStore {
  put(value: unknown, key: string): unknown;
  delete(key: string): unknown;
  getAll(): Request<unknown[]>;
  getAllKeys(): Request<string[]>;
}
interface Transaction {
  readonly error: unknown;
  objectStore(name: string): ObjectStore;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
}
interface Database {
  createObjectStore(name: string): unknown;
  transaction(name: string, mode: string, options?: { readonly durability: string }): Transaction;
  close(): void;
}
interface Factory {
  open(name: string, version: number): Request<Database> & { onupgradeneeded: (() => void) | null };
}

const table = "values";

/**
 * A store in the browser's IndexedDB, in a database of that name. Each page, or worker, of an origin needs a name of its own at a time: two clients would send each other's messages. A browser may
 * clear it when the disk is full, unless the page has asked for `navigator.storage.persist()`.
 */
export function indexedDbStore(name: string): Store {
  let database: Database | undefined;
  return {
    async load() {
      const opening = (globalThis as unknown as { readonly indexedDB: Factory }).indexedDB.open(name, 1);
      opening.onupgradeneeded = () => void opening.result.createObjectStore(table);
      database = await settled(opening);
      const values = database.transaction(table, "readonly").objectStore(table);
      const [keys, entries] = await Promise.all([settled(values.getAllKeys()), settled(values.getAll())]);
      return new Map(keys.map((key, at) => [key, entries[at]]));
    },
    write(changes) {
      return new Promise((resolve, reject) => {
        const transaction = database!.transaction(table, "readwrite", { durability: "strict" });
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
        const values = transaction.objectStore(table);
        for (const [key, value] of changes) {
          if (value === undefined) values.delete(key);
          else values.put(value, key);
        }
      });
    },
    async close() {
      database?.close();
    },
  };
}

function settled<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
