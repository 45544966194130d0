import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { freePort, until } from "@busbar/core/testkit";
import { withoutBrowser, withPage } from "../../test/support/browser.ts";
import { startExample, type RunningExample } from "../../test/support/example.ts";

const line = "acme/berlin/packaging/line-1";

/** The example with times that a test can wait for. */
async function startFactory(folder: string): Promise<RunningExample> {
  const [opcua, modbus, mes] = [await freePort(), await freePort(), await freePort()];
  return await startExample("factory", {
    folder,
    changes: [
      [["plugins", "plc", "opcua", "port"], opcua],
      [["plugins", "plc", "modbus", "port"], modbus],
      [["plugins", "stamping", "url"], `opc.tcp://127.0.0.1:${opcua}`],
      [["plugins", "packaging", "port"], modbus],
      [["plugins", "mes", "port"], mes],
      [["plugins", "mes", "order"], 10],
      [["plugins", "to-mes", "url"], `http://127.0.0.1:${mes}/line`],
      [["plugins", "plc", "plant", "machines", 3, "tags", 1, "signal", "every"], "1s"],
      [["routes", 3, "steps", 1, "windows", "size"], "2s"],
      [["routes", 4, "steps", 1, "windows", "size"], "2s"],
    ],
  });
}

describe("examples/factory", () => {
  let folder = "";
  let factory: RunningExample;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "busbar-factory-"));
    factory = await startFactory(folder);
  });
  after(async () => {
    await factory.kernel.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("reads the PLC over OPC UA and Modbus, raises alarms, tells the MES, and takes set points", { timeout: 180_000 }, async () => {
    const readings = (topic: string): readonly string[] => factory.heard.filter((one) => one.topic === topic).flatMap(({ payload }) => (payload as { readonly values: readonly { readonly tag: string }[] }).values.map(({ tag }) => tag));
    const look = { within: 60_000, show: () => factory.lines.slice(-12) };
    await until("readings over OPC UA have their place", () => readings(`status/${line}/press-1`).includes("force") && readings(`status/${line}/oven-1`).includes("temperature"), look);
    await until("readings over Modbus, too", () => readings(`status/${line}/conveyor-1`).includes("power") && readings(`status/${line}/packer-1`).includes("parts"), look);
    const thinned = readings(`status/${line}/oven-1`).filter((tag) => tag === "target").length;
    assert.ok(thinned <= 2, `a set point that stands still was sent ${thinned} times`);
    await until("the packer's jam is an alarm", () => factory.heard.some(({ topic, payload }) => topic === `event/${line}/packer-1` && JSON.stringify(payload).includes('"alarm":"jam/state","state":"raised"')), look);
    const orders = async (): Promise<readonly { readonly made: number; readonly stops: readonly unknown[] }[]> => ((await (await fetch(factory.url("MES"))).json()) as { orders: [] }).orders;
    await until("the MES has booked parts and a stop", async () => {
      const all = await orders();
      return all.length > 1 && all[0]!.made === 10 && all.some(({ stops }) => stops.length > 0);
    }, look);

    const set = async (to: string, payload: object, msgid: string): Promise<unknown> => (await factory.kernel.bus.request({ type: "command", from: "operator", to, payload, msgid, qos: 1 }, { signal: AbortSignal.timeout(30_000) })).payload;
    assert.equal(((await set("plc/conveyor-1", { set: { "speed-set": 0.8 } }, "c-1")) as { readonly status: string }).status, "ok");
    assert.equal(((await set("plc/oven-1", { set: { target: 200 } }, "c-2")) as { readonly status: string }).status, "ok");
    assert.equal(((await set("plc/conveyor-1", { set: { "speed-set": 5 } }, "c-3")) as { readonly status: string }).status, "error");
    const newest = (topic: string, tag: string): unknown => factory.heard.findLast((one) => one.topic === topic && readings(topic).includes(tag) && JSON.stringify(one.payload).includes(`"${tag}"`))?.payload;
    await until("both are where they were set", () => /"tag":"speed-set","value":0\.8/.test(JSON.stringify(newest(`status/${line}/conveyor-1`, "speed-set"))) && /"tag":"target","value":200\b/.test(JSON.stringify(newest(`status/${line}/oven-1`, "target"))), look);
  });

  test("shows the line on a page of its own", { skip: withoutBrowser, timeout: 180_000 }, async () => {
    await withPage(async (page, complaints) => {
      await page.goto(factory.url("Console"));
      await page.locator('#connection[data-state="live"]').waitFor();
      await page.goto(factory.url("Dashboard"));
      await page.locator('#state[data-state="online"]').waitFor();
      await page.locator("#machines article", { hasText: "press-1" }).locator("p", { hasText: "force" }).waitFor();
      await page.locator("#machines article", { hasText: "conveyor-1" }).locator("p", { hasText: "power" }).waitFor();
      await page.locator("#figures div", { hasText: "Parts a minute" }).waitFor({ timeout: 60_000 });
      await page.locator("#alarms li", { hasText: "packer-1" }).waitFor({ timeout: 60_000 });
      assert.deepEqual(complaints, []);
    });
  });
});
