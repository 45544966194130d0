import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { freePort, testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import * as v from "valibot";
import { openListener, type Listener } from "../testing/listener.ts";
import { uplink, uplinkConfig } from "./mod.ts";

const quick = { id: "plant-1", token: "plant-1", reconnect: { min: "10ms", max: "50ms" } };

/** What arrives at a gateway from the devices of the lower one, in order. */
function hear({ bus }: TestGateway): readonly Envelope[] {
  const heard: Envelope[] = [];
  bus.subscribe("+/plant-1/#", (message) => void (message.topic.endsWith("/presence") || heard.push(message)));
  return heard;
}

const startUplink = (upper: Pick<Listener, "url">, config: object = {}): Promise<TestGateway> => testPlugin(uplink, { ...quick, url: upper.url, ...config });

test("uplink sends what the journal holds, under its own id, with msgid, time, qos and retain as they were", async () => {
  await using upper = await openListener();
  const heard = hear(upper.gateway);
  await using lower = await startUplink(upper);
  await until("it is there", () => lower.metric("busbar_uplink_connected") === 1);
  await lower.bus.deliver({ type: "status", from: "boiler-1", msgid: "m-1", timestamp: 1_700_000_000_000, payload: { temperature: 95.5 }, qos: 2, retain: true });
  await lower.bus.deliver({ type: "event", from: "boiler-1", to: "panel", msgid: "m-2", payload: new Uint8Array([1, 2, 3]), qos: 1 });
  await until("both have arrived", () => heard.length === 2);
  const [status, event] = [...heard].sort((one, other) => one.msgid.localeCompare(other.msgid));
  assert.deepEqual([status!.topic, status!.from, status!.timestamp, status!.payload, status!.qos, status!.retain], ["status/plant-1/boiler-1", "plant-1/boiler-1", 1_700_000_000_000, { temperature: 95.5 }, 2, true]);
  assert.deepEqual([event!.topic, event!.from, event!.payload], ["event/plant-1/panel", "plant-1/boiler-1", new Uint8Array([1, 2, 3])]);
  await until("they are counted", () => lower.metric("busbar_uplink_messages_total") === 2);
});

test("uplink brings everything once and in order through an outage of the upper gateway, alarms first", async () => {
  const port = await freePort();
  const first = await openListener({}, { http: { port } });
  await using lower = await startUplink(first, { overtake: 0 });
  const say = (type: string, count: number, from: number): Promise<unknown> => Promise.all(Array.from({ length: count }, (_, at) => lower.bus.deliver({ type, from: "plc-1", msgid: `${type}-${from + at}`, payload: { n: from + at }, qos: 1 })));
  await say("status", 50, 0);
  await until("the first are up there", () => lower.metric("busbar_uplink_messages_total") === 50);
  await first[Symbol.asyncDispose]();
  await until("it has noticed", () => lower.metric("busbar_uplink_connected") === 0);
  await say("status", 1500, 50);
  await say("event", 20, 0);
  await using second = await openListener({}, { http: { port } });
  const heard = hear(second.gateway);
  await until("the rest is up there", () => heard.length >= 1520);
  const numbers = (type: string): readonly number[] => heard.filter((one) => one.type === type).map(({ payload }) => (payload as { n: number }).n);
  assert.deepEqual(numbers("status"), Array.from({ length: 1500 }, (_, at) => at + 50));
  assert.deepEqual(numbers("event"), Array.from({ length: 20 }, (_, at) => at));
  assert.ok(heard.findIndex(({ type }) => type === "event") < 1000, "alarms do not wait for the backlog");
});

test("uplink puts aside what the upper gateway will never take, and goes on", async () => {
  await using upper = await openListener({ frameLimit: "4KiB" });
  const heard = hear(upper.gateway);
  await using lower = await startUplink(upper);
  await lower.bus.deliver({ type: "status", from: "cam-1", msgid: "big", payload: "x".repeat(1_500_000), qos: 1 });
  await lower.bus.deliver({ type: "status", from: "cam-1", msgid: "small", payload: 1, qos: 1 });
  await until("the small one has arrived", () => heard.some(({ msgid }) => msgid === "small"));
  await until("the big one is a dead letter", () => lower.metric("busbar_dead_letters_total") === 1);
});

test("uplink gives commands from above to the device and sends its answer back", async () => {
  await using upper = await openListener();
  await using lower = await startUplink(upper, { allowWrites: true });
  lower.bus.subscribe("command/lamp-1", (command) => {
    const { on } = command.payload as { readonly on: unknown };
    const answer = typeof on === "boolean" ? { msgid: command.msgid, status: "ok", result: { on } } : { msgid: command.msgid, status: "error", result: "on must be true or false" };
    lower.bus.publish({ type: "ack", from: "lamp-1", to: command.from, payload: answer });
  });
  const ask = async (to: string, payload: unknown, msgid: string): Promise<unknown> => (await upper.gateway.bus.request({ type: "command", from: "anna", to, payload, msgid, qos: 1 }, { signal: AbortSignal.timeout(20_000) })).payload;
  assert.deepEqual(await ask("plant-1/lamp-1", { on: true }, "c-1"), { msgid: "c-1", status: "ok", result: { on: true } });
  assert.deepEqual(await ask("plant-1/lamp-1", { on: 7 }, "c-2"), { msgid: "c-2", status: "error", result: "on must be true or false" });
  assert.match(JSON.stringify(await ask("plant-1", { on: true }, "c-3")), /commands are for a device of this gateway/);
});

test("uplink refuses commands unless its config says allowWrites: true", async () => {
  await using upper = await openListener();
  await using lower = await startUplink(upper);
  const answer = await upper.gateway.bus.request({ type: "command", from: "anna", to: "plant-1/lamp-1", payload: { on: true }, msgid: "c-1", qos: 1 }, { signal: AbortSignal.timeout(20_000) });
  assert.deepEqual(answer.payload, { msgid: "c-1", status: "error", result: 'Cannot write to "lamp-1": allowWrites of the uplink is false' });
  assert.equal(lower.metric("busbar_writes_refused_total"), 1);
});

test("uplinkConfig refuses what would be read on the way, and what goes the wrong way", () => {
  const problems = (config: object): readonly string[] => {
    const result = v.safeParse(uplinkConfig, { ...quick, url: "wss://cloud.example/ws", ...config });
    return result.success ? [] : result.issues.map((issue) => `${v.getDotPath(issue)}`);
  };
  assert.deepEqual(problems({}), []);
  assert.deepEqual(problems({ url: "ws://127.0.0.1:8080/ws" }), []);
  assert.deepEqual(problems({ url: "ws://cloud.example/ws" }), ["url"]);
  assert.deepEqual(problems({ url: "ws://cloud.example/ws", insecure: true }), []);
  assert.deepEqual(problems({ url: "wss://plant:secret@cloud.example/ws" }), ["url"]);
  assert.deepEqual(problems({ url: "ws://127.0.0.1/ws", caFile: "ca.pem" }), ["caFile"]);
  assert.deepEqual(problems({ topics: ["command/#"] }), ["topics"]);
  assert.deepEqual(problems({ id: "plant 1" }), ["id"]);
});
