import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createKernel, createLog, loadConfig, systemClock } from "@busbar/core";
import type { Page } from "playwright-core";
import { parseDocument } from "yaml";
import { withoutBrowser, withPage } from "./support/browser.ts";
import { startDefaultSet } from "./support/default-set.ts";

/** What the page's own functions see of the document: this file is checked without the types of browsers. */
interface PageGlobals {
  readonly document: { querySelector(selector: string): { readonly textContent: string; readonly dataset: Readonly<Record<string, string | undefined>> } | null };
}

const readSession = (page: Page): Promise<string> => page.evaluate(() => (globalThis as unknown as { sessionStorage: { getItem(key: string): string } }).sessionStorage.getItem("busbar.session"));

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");

const pointsIn = async (page: Page): Promise<number> => Number(await page.locator("#chart").getAttribute("data-points"));

/** A function, not text: the page's policy forbids evaluating text. */
async function untilMorePoints(page: Page, count: number): Promise<void> {
  await page.waitForFunction((least) => Number((globalThis as unknown as PageGlobals).document.querySelector("#chart")?.dataset["points"]) > least, count);
}

async function untilOtherText(page: Page, selector: string): Promise<void> {
  const before = await page.locator(selector).textContent();
  await page.waitForFunction(([at, text]) => (globalThis as unknown as PageGlobals).document.querySelector(at!)?.textContent !== text, [selector, before]);
}

test("the console shows live values, draws one from history and live, and switches the lamp", { skip: withoutBrowser, timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-console-"));
  const { kernel, link, lines } = await startDefaultSet(folder);
  try {
    await withPage(async (page, complaints) => {
      await page.goto(link);
      await page.locator('#connection[data-state="live"]').waitFor();
      assert.equal(new URL(page.url()).hash, "", "the code has left the address bar");

      await untilOtherText(page, '[data-device="boiler-1"] [data-tag="temperature"] .value');

      // The store has at least one reading before the value is picked, so what is drawn comes from history and from the connection.
      const series = page.waitForResponse((response) => response.url().includes("/api/series"));
      await page.locator('[data-device="boiler-1"] [data-tag="temperature"]').click();
      const { points: history } = (await (await series).json()) as { points: { time: number; value: number }[] };
      assert.ok(history.length >= 1, "the history has points");
      await untilMorePoints(page, 1);
      await untilMorePoints(page, await pointsIn(page));
      assert.equal(await page.locator("#chart-title").textContent(), "boiler-1 · temperature");

      for (const device of ["lamp-1", "fan-1"]) {
        const card = page.locator(`[data-device="${device}"]`);
        const on = card.getByRole("switch");
        assert.equal(await on.getAttribute("aria-checked"), "false");
        await on.click();
        await card.locator('.answer[data-kind="ok"]').waitFor();
        await card.locator('.switch[aria-checked="true"]').waitFor();
        await card.locator('[data-tag="on"] .value', { hasText: "on" }).waitFor();
      }

      await page.setViewportSize({ width: 390, height: 844 });
      const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      assert.ok(overflow <= 0, `the page of a phone is ${overflow} pixels too wide`);

      await page.reload();
      await page.locator('#connection[data-state="live"]').waitFor();
      assert.deepEqual(complaints, []);

      const other = await page.context().newPage();
      await other.addInitScript((session) => (globalThis as unknown as { sessionStorage: { setItem(key: string, text: string): void } }).sessionStorage.setItem("busbar.session", session), await readSession(page));
      await other.goto(new URL("/", link).href);
      await other.locator('#connection[data-state="live"]').waitFor();
      await untilOtherText(other, '[data-device="boiler-1"] [data-tag="temperature"] .value');
      await untilOtherText(page, '[data-device="boiler-1"] [data-tag="temperature"] .value');
      assert.equal(await page.locator("#connection").getAttribute("data-state"), "live", "a person may have two windows");
    });

    await withPage(async (page) => {
      await page.goto(link);
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      assert.match((await page.locator("#login-message").textContent()) ?? "", /used already/, "the link is good once");
      const signIn = async (token: string, answer: RegExp): Promise<void> => {
        await page.getByLabel("Token").fill(token);
        await page.getByRole("button", { name: "Open the console" }).click();
        await page.locator("#login-message", { hasText: answer }).waitFor();
      };
      await signIn("nonsense", /no token of this gateway/);
      await signIn(`${encode({ alg: "none" })}.${encode({ sub: "console", roles: ["admin"] })}.`, /does not believe this token/);
    });
    assert.ok(!lines.join("\n").includes(new URL(link).hash.slice(6)), "the code is not in the log");
  } finally {
    await kernel.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test("the console says that it has lost the gateway, and resumes by itself when that has restarted", { skip: withoutBrowser, timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-console-"));
  const first = await startDefaultSet(folder);
  try {
    await withPage(async (page) => {
      await page.goto(first.link);
      await page.locator('#connection[data-state="live"]').waitFor();
      const port = new URL(first.link).port;
      await first.kernel.stop();
      await page.locator('#connection[data-state="waiting"]').waitFor();
      const file = join(folder, "busbar.yaml");
      const document = parseDocument(await readFile(file, "utf8"));
      document.setIn(["plugins", "http", "port"], Number(port));
      await writeFile(file, document.toString());
      const { config } = await loadConfig(file);
      assert.ok(config);
      const again = createKernel({ config, log: createLog({ clock: systemClock, write: () => {} }), cwd: folder });
      await again.start();
      const happens = (message: string): Promise<unknown> => again.bus.deliver({ type: "event", from: "door-9", payload: { message }, qos: 1 });
      try {
        await happens("opened while nobody looked");
        await page.locator('#connection[data-state="live"]').waitFor();
        await page.locator("#events", { hasText: "opened while nobody looked" }).waitFor();
        await happens("closed again");
        await page.locator("#events", { hasText: "closed again" }).waitFor();
        await untilOtherText(page, '[data-device="boiler-1"] [data-tag="temperature"] .value');
      } finally {
        await again.stop();
      }
    });
  } finally {
    await first.kernel.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
