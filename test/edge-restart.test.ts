import assert from "node:assert/strict";
import { test } from "node:test";
import { commandFor } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import type { Urls } from "./faults/gateway-process.ts";
import { createRig, type Rig } from "./faults/rig.ts";

const runtime = { name: "the one under test", command: commandFor };
const absolute = 10;

interface Stored<P = Readonly<Record<string, number>>> {
  readonly timestamp: number;
  readonly payload: P;
}

interface WindowResult {
  readonly start: number;
  readonly values: readonly { readonly value: number }[];
}

async function ask(rig: Rig, urls: Urls, path: string, body?: object): Promise<any> {
  const headers = { authorization: `Bearer ${await rig.tokenFor("press")}`, "content-type": "application/json" };
  const response = await fetch(`${urls.get("HTTP API")!}/api/${path}`, body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200, path);
  return response.json();
}

const stored = async <P = Readonly<Record<string, number>>>(rig: Rig, urls: Urls, topic: string): Promise<readonly Stored<P>[]> => (await ask(rig, urls, `messages?topic=${topic}&limit=10000`)).messages;

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

/** Start, count and sum of each window that is closed when `end` has come, from all readings at once. */
function windowsOf(readings: readonly Stored[], { size, end }: { readonly size: number; readonly end: number }): readonly (readonly [start: number, count: number, sum: number])[] {
  const windows = new Map<number, [number, number]>();
  for (const { timestamp, payload } of readings) {
    const begin = Math.floor(timestamp / size) * size;
    if (begin + size > end) continue;
    const [count, sum] = windows.get(begin) ?? [0, 0];
    windows.set(begin, [count + 1, sum + payload["raw"]!]);
  }
  return [...windows].map(([begin, [count, sum]]) => [begin, count, sum] as const).toSorted((one, other) => one[0] - other[0]);
}

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

test("windows of readings of qos 1 are each told once and are those of all readings, over SIGKILL and in any order within the lateness", async () => {
  const size = 100;
  const start = 1_760_000_000_000;
  const windows = { size, lateness: "1s", idle: "7d", aggregates: ["count", "sum"] };
  const routes = [{ name: "windows", from: "status/press", steps: [{ windows }], to: "event/press" }];
  await using rig = await createRig({ runtime, plugins: { edge: {} }, gateway: { stateEvery: "100ms" }, routes });
  let count = 0;
  const messageOf = (time: number, raw: number): object => ({ type: "status", from: "press", msgid: `m-${time}`, qos: 1, timestamp: start + time, payload: { raw } });
  const batch = (length: number): object[] => Array.from({ length }, () => messageOf((count += 3), valueOf(count))).reverse();
  const send = (urls: Urls, messages: readonly object[]): Promise<unknown> => ask(rig, urls, "messages", messages);
  for (const cut of [5, 20]) {
    const gateway = rig.start();
    const urls = await gateway.ready;
    for (let round = 0; round < 8; round++) await send(urls, batch(50));
    // the last ones are still on their way when it is killed
    const last = Array.from({ length: cut }, () => send(urls, batch(5)).catch(() => undefined));
    if (cut === 5) await Promise.race(last);
    await gateway.kill();
    await Promise.all(last);
  }
  const urls = await rig.start().ready;
  for (const time of [count + 10_000, count + 20_000]) await send(urls, [messageOf(time, 0)]);
  const readings = await stored(rig, urls, "status/press");
  const wanted = windowsOf(readings, { size, end: start + count + 10_000 });
  assert.ok(readings.length >= 800, String(readings.length));
  await until("the last window is told", async () => (await stored(rig, urls, "event/press")).length >= wanted.length);
  const told = (await stored<WindowResult>(rig, urls, "event/press")).map(({ payload }) => [payload.start, ...payload.values.map(({ value }) => value)]);
  assert.deepEqual(told.toSorted((one, other) => one[0]! - other[0]!), wanted);
});
