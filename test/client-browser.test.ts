import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type * as sdk from "@busbar/client";
import type * as stores from "@busbar/client/indexed-db-store";
import type { Page } from "playwright-core";
import { withoutBrowser, withPage } from "./support/browser.ts";
import { startDefaultSet } from "./support/default-set.ts";

/** What a page is to do with a client of its own. */
interface Work {
  /** Of the WebSocket: a wrong one keeps the client offline. */
  readonly path: string;
  readonly publish: readonly number[];
  /** Ends when so many messages have come. */
  readonly expect: number;
}

/** Runs a client in the page, with a store in its IndexedDB, under the token that the console has there. Returns the payloads that have come, and what is left in the buffer. */
function useClient(page: Page, work: Work): Promise<{ readonly got: unknown[]; readonly buffered: number }> {
  return page.evaluate(async ({ path, publish, expect }) => {
    const { sessionStorage, location } = globalThis as unknown as { sessionStorage: { getItem(key: string): string }; location: { host: string } };
    const load = (file: string): Promise<unknown> => import(file);
    const { createClient } = (await load("/client/mod.ts")) as typeof sdk;
    const { indexedDbStore } = (await load("/client/indexed-db-store.ts")) as typeof stores;
    const { token } = JSON.parse(sessionStorage.getItem("busbar.session")) as { token: string };
    const client = createClient({ url: `ws://${location.host}${path}`, id: "console", token, store: indexedDbStore("test"), reconnect: { min: 10, max: 100 } });
    const got: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      client.on("problem", reject);
      client.subscribe("log/#", ({ payload }) => {
        got.push(payload);
        if (got.length === expect) resolve();
      }, { since: 0, resume: "list" });
      for (const payload of publish) client.publish({ type: "log", payload, msgid: `m-${payload}` }).catch(() => {});
      if (expect === 0) client.saved().then(resolve, reject);
    });
    const { buffered } = client.counts;
    await client.close({ drain: expect > 0 });
    return { got, buffered };
  }, work);
}

test("a client in a browser publishes, subscribes, and goes on after a reload with what its IndexedDB holds", { skip: withoutBrowser, timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-client-"));
  const { kernel, link } = await startDefaultSet(folder);
  try {
    await withPage(async (page, complaints) => {
      await page.goto(link);
      await page.locator('#connection[data-state="live"]').waitFor();
      const numbers = Array.from({ length: 30 }, (_, n) => n);
      assert.deepEqual(await useClient(page, { path: "/nowhere", publish: numbers.slice(0, 20), expect: 0 }), { got: [], buffered: 20 });
      assert.deepEqual(complaints.filter((text) => !text.includes("/nowhere")), []);
      await page.reload();
      const second = await useClient(page, { path: "/ws", publish: numbers.slice(20), expect: 30 });
      assert.deepEqual(second.got, numbers, "first what the page before had left, each once");
      await page.reload();
      const third = await useClient(page, { path: "/ws", publish: [30], expect: 1 });
      assert.deepEqual(third.got, [30], "it has had the others");
    });
  } finally {
    await kernel.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
