import assert from "node:assert/strict";
import { test } from "node:test";
import { commandFor } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import type { Urls } from "./faults/gateway-process.ts";
import { createRig, type Rig } from "./faults/rig.ts";

const runtime = { name: "the one under test", command: commandFor };
const absolute = 10;

interface Stored {
  readonly timestamp: number;
  readonly payload: Readonly<Record<string, number>>;
}

async function ask(rig: Rig, urls: Urls, path: string, body?: object): Promise<any> {
  const headers = { authorization: `Bearer ${await rig.tokenFor("press")}`, "content-type": "application/json" };
  const response = await fetch(`${urls.get("HTTP API")!}/api/${path}`, body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200, path);
  return response.json();
}

const stored = async (rig: Rig, urls: Urls, topic: string): Promise<readonly Stored[]> => (await ask(rig, urls, `messages?topic=${topic}&limit=10000`)).messages;

/** What the deadband lets through of values in this order, plainly. */
function thinned(values: readonly number[]): number[] {
  let last: number | undefined;
  return values.filter((value) => {
    if (last !== undefined && Math.abs(value - last) <= absolute) return false;
    last = value;
    return true;
  });
}

/** A walk that never goes far at once: what was sent last decides about each further value. */
const valueOf = (at: number): number => Math.round(50 * Math.sin(at / 9) + 7 * Math.sin(at));

test("steps of edge go on as if nothing had been after SIGKILL: of messages of qos 1 none is lost and none is made twice", async () => {
  const routes = [{ name: "thin", from: "status/press", steps: [{ map: { set: { level: "tags.raw + tags.offset" } } }, { tags: { keep: ["level"] } }, { deadband: { absolute } }], to: "event/press" }];
  await using rig = await createRig({ runtime, plugins: { edge: {} }, gateway: { stateEvery: "100ms" }, routes });
  let count = 0;
  const messageOf = (payload: object): object => ({ type: "status", from: "press", msgid: `m-${++count}`, qos: 1, timestamp: 1_760_000_000_000 + count, payload });
  const values = (length: number): object[] => Array.from({ length }, () => messageOf({ raw: valueOf(count) }));
  const send = (urls: Urls, messages: readonly object[]): Promise<unknown> => ask(rig, urls, "messages", messages);
  for (const cut of [1, 5, 20]) {
    const gateway = rig.start();
    const urls = await gateway.ready;
    if (count === 0) await send(urls, [messageOf({ offset: 0 })]);
    for (let batch = 0; batch < 4; batch++) await send(urls, values(25));
    // the last ones are still on their way when it is killed
    const last = Array.from({ length: cut }, () => send(urls, values(5)).catch(() => undefined));
    if (cut === 5) await Promise.race(last);
    await gateway.kill();
    await Promise.all(last);
  }
  const urls = await rig.start().ready;
  await send(urls, [messageOf({ raw: 1000 })]);
  await until("the last value is through", async () => (await stored(rig, urls, "event/press")).at(-1)?.payload["level"] === 1000);
  let newest = 0;
  const inputs = (await stored(rig, urls, "status/press")).flatMap(({ timestamp, payload }) => {
    if (timestamp < newest || payload["raw"] === undefined) return []; // what was overtaken on its way is late: nothing newer is computed of it
    newest = timestamp;
    return payload["raw"];
  });
  const outputs = (await stored(rig, urls, "event/press")).map(({ payload }) => payload["level"]);
  assert.ok(inputs.length > 250, String(inputs.length));
  assert.deepEqual(outputs, thinned(inputs));
});
