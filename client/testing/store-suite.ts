import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../store.ts";

/** What every store must do. `open`: the store as the next process would find it; called again after `close`. */
export function storeSuite(name: string, open: () => Store): void {
  const write = (store: Store, changes: Readonly<Record<string, unknown>>): Promise<void> => store.write(new Map(Object.entries(changes)));
  const values = async (store: Store): Promise<unknown> => Object.fromEntries(await store.load());

  test(`${name} gives back what was written, by key, the last value of each`, async () => {
    const store = open();
    assert.deepEqual(await values(store), {});
    await write(store, { a: 1, b: { deep: ["ü€😀", null, "\n\"\\"] }, c: false });
    await write(store, { a: "two", c: undefined, "d/0000": "" });
    await store.close();
    const again = open();
    assert.deepEqual(await values(again), { a: "two", b: { deep: ["ü€😀", null, "\n\"\\"] }, "d/0000": "" });
    await write(again, { a: undefined, b: undefined, "d/0000": undefined, never: undefined });
    await again.close();
    const last = open();
    assert.deepEqual(await values(last), {});
    await last.close();
  });

  test(`${name} keeps thousands of values through thousands of changes`, async () => {
    const store = open();
    await store.load();
    const model: Record<string, unknown> = {};
    for (let round = 0; round < 300; round++) {
      const changes: Record<string, unknown> = {};
      for (let count = 0; count < 20; count++) {
        const key = `key/${Math.floor(Math.random() * 2000)}`;
        changes[key] = Math.random() < 0.4 ? undefined : { round, count, fill: "x".repeat(Math.floor(Math.random() * 400)) };
      }
      await write(store, changes);
      for (const [key, value] of Object.entries(changes)) {
        if (value === undefined) delete model[key];
        else model[key] = value;
      }
    }
    await store.close();
    const again = open();
    assert.deepEqual(await values(again), model);
    await write(again, Object.fromEntries(Object.keys(model).map((key) => [key, undefined])));
    await again.close();
  });
}
