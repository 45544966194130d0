import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock, type Envelope } from "@busbar/core";
import { testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import storageSqlite from "@busbar/storage-sqlite";
import type { MqttClient } from "mqtt";
import mqtt from "./mod.ts";
import { Gate } from "./testing/gate.ts";
import { Mosquitto, noMosquitto } from "./testing/mosquitto.ts";

const skip = noMosquitto ?? false;
const quick = { reconnect: { min: 20, max: 100 } };

interface Heard {
  readonly topic: string;
  readonly payload: unknown;
  readonly late: boolean;
  readonly msgid: string | undefined;
}

/** What a client of another make hears on a topic filter. */
async function listen(client: MqttClient, filter: string): Promise<readonly Heard[]> {
  const heard: Heard[] = [];
  client.on("message", (topic, payload, { properties }) => {
    const user = properties?.userProperties;
    heard.push({ topic, payload: JSON.parse(payload.toString()), late: user?.["late"] === "true", msgid: user?.["msgid"]?.toString() });
  });
  await client.subscribeAsync(filter, { qos: 1 });
  return heard;
}

/** A journal in SQLite in a folder, which outlives a gateway. */
function durable(folder: string) {
  return { plugins: { storage: [storageSqlite, { file: join(folder, "journal.db") }] } } as const;
}

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "busbar-mqtt-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test("mqtt sends to Mosquitto with both versions and every QoS, and a listener of another make hears each message once, in order", { skip }, async () => {
  await using broker = await Mosquitto.start();
  const heard = await listen(await broker.client(), "out/#");
  for (const protocolVersion of [4, 5]) {
    for (const qos of [0, 1, 2]) {
      const to = `out/${protocolVersion}/${qos}`;
      await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url, protocolVersion, qos, out: [{ topics: ["status/#"], to }] });
      await Promise.all(Array.from({ length: 300 }, (_, n) => gateway.bus.deliver({ type: "status", from: "a", payload: n, qos: 1 })));
      await until(to, () => heard.filter(({ topic }) => topic === to).length === 300);
      assert.deepEqual(heard.filter(({ topic }) => topic === to).map(({ payload }) => payload), Array.from({ length: 300 }, (_, n) => n));
    }
  }
});

test("mqtt keeps what comes while Mosquitto is down, also over a restart of the gateway: alarms first, then live, then the backlog, late", { skip }, async () => {
  using folder = temporaryFolder();
  await using broker = await Mosquitto.start();
  await using gate = await Gate.to(broker.port);
  const before = await listen(await broker.client({ reconnectPeriod: 0 }), "out/#");
  const config = { ...quick, url: `mqtt://127.0.0.1:${gate.port}`, out: [{ topics: ["status/#", "event/#"], to: "out/{topic}" }], overtake: 300, pace: 2000 };
  const say = (gateway: TestGateway, type: string, payload: unknown) => gateway.bus.deliver({ type, from: "a", payload, qos: 1 });
  {
    await using gateway = await testPlugin(mqtt, { ...config, start: "oldest" }, durable(folder.path));
    for (let n = 0; n < 50; n++) await say(gateway, "status", n);
    await until("the first 50 are acknowledged", () => gateway.metric('busbar_mqtt_published_total{instance="subject"}') === 50);
    await until("and heard", () => before.length === 50);
    gate.shut();
    await broker.down();
    for (let n = 50; n < 250; n++) await say(gateway, "status", n);
  }
  await using gateway = await testPlugin(mqtt, config, durable(folder.path));
  for (let n = 250; n < 550; n++) await say(gateway, "status", n);
  const since = systemClock.now();
  await until("what waits is old enough", () => systemClock.now() - since > 400);
  await say(gateway, "status", "newest");
  await say(gateway, "event", "alarm");
  await broker.up();
  const after = await listen(await broker.client(), "out/#");
  gate.open();
  await until("all is there", () => after.length === 502);
  assert.equal(after[0]!.payload, "alarm");
  const live = after.filter(({ late }) => !late).map(({ payload }) => payload);
  const backlog = after.filter(({ late }) => late).map(({ payload }) => payload as number);
  assert.equal(live.at(-1), "newest");
  assert.ok(live.length < 150 && after.slice(0, live.length).every(({ late }) => !late), `${live.length} live, before the rest`);
  assert.deepEqual(backlog, backlog.toSorted((a, b) => a - b), "in order");
  const rest = live.slice(1, -1) as number[];
  assert.deepEqual(rest, rest.toSorted((a, b) => a - b), "in order");
  assert.deepEqual([...backlog, ...rest].sort((a, b) => a - b), Array.from({ length: 500 }, (_, n) => n + 50), "none missing, none twice");
});

test("mqtt receives what was published at Mosquitto while the gateway was away", { skip }, async () => {
  using folder = temporaryFolder();
  await using broker = await Mosquitto.start();
  const client = await broker.client();
  for (const protocolVersion of [4, 5]) {
    const config = { ...quick, url: broker.url, protocolVersion, clientId: `gw${protocolVersion}`, in: [{ topics: ["in/#"], from: "far/{1}" }] };
    const seen: Envelope[] = [];
    {
      await using gateway = await testPlugin(mqtt, config, durable(folder.path));
      gateway.bus.subscribe("status/far/#", (message) => void seen.push(message));
      await until("it is connected", () => gateway.metric('busbar_mqtt_connected{direction="in",instance="subject"}') === 1);
      await client.publishAsync("in/a", "0", { qos: 1 });
      await until("the first is there", () => seen.length === 1);
    }
    for (let n = 1; n <= 30; n++) await client.publishAsync("in/a", String(n), { qos: 1 });
    await using gateway = await testPlugin(mqtt, config, durable(folder.path));
    const stored = async () => (await gateway.bus.deliver({ type: "probe", payload: 1 })).offset;
    await until("all are there", () => gateway.metric('busbar_mqtt_received_total{instance="subject"}') >= 30);
    const entries: unknown[] = [];
    const last = await stored();
    let done = false;
    gateway.bus.consume("check", "status/far/#", async (batch) => void entries.push(...batch.map(({ message }) => message.payload)));
    gateway.bus.consume("end", "probe/#", async (batch) => void (done ||= batch.some(({ offset }) => offset === last)));
    await until("the journal is read", () => done && entries.length >= 31);
    assert.deepEqual(entries.slice(-31), Array.from({ length: 31 }, (_, n) => n));
  }
});

for (const [what, format, protocolVersion] of [["user properties", "payload", 5], ["envelopes", "envelope", 4]] as const) {
  test(`mqtt bridges two gateways with ${what}, both ways, and nothing goes in circles`, { skip }, async () => {
    await using broker = await Mosquitto.start();
    const spy = await listen(await broker.client(), "net/#");
    const config = (own: string) => ({ ...quick, url: broker.url, protocolVersion, clientId: own, out: [{ topics: ["status/#", "ack/#"], to: "net/{topic}", format }], in: [{ topics: ["net/status/#"], format, from: "{from}" }, { topics: ["net/ack/#"], type: "ack", format, from: "{from}", to: "{1}" }] });
    await using one = await testPlugin(mqtt, config("one"));
    await using two = await testPlugin(mqtt, config("two"));
    const seen = { one: [] as Envelope[], two: [] as Envelope[] };
    one.bus.subscribe("status/#", (message) => void seen.one.push(message));
    two.bus.subscribe("status/#", (message) => void seen.two.push(message));
    for (const gateway of [one, two]) await until("it is connected", () => gateway.metric('busbar_mqtt_connected{direction="in",instance="subject"}') === 1);
    for (let n = 0; n < 100; n++) {
      await one.bus.deliver({ type: "status", from: "home-1/lamp", msgid: `${n}`, payload: { n }, qos: 1 });
      await two.bus.deliver({ type: "status", from: "home-2/lamp", msgid: `${n}`, payload: { n }, qos: 1 });
    }
    await until("both have all", () => seen.one.length >= 200 && seen.two.length >= 200);
    await until("what came in has been passed over", () => [one, two].every((gateway) => gateway.metric('busbar_mqtt_skipped_total{instance="subject",reason="echo"}') === 100 && gateway.metric('busbar_mqtt_echo_total{instance="subject"}') === 100));
    await until("the spy has heard all", () => spy.length >= 200, { show: () => spy.length });
    await (await broker.client()).publishAsync("net/end", "{}", { qos: 1 });
    await until("the spy has heard what came last", () => spy.at(-1)!.topic === "net/end");
    assert.deepEqual([spy.length - 1, seen.one.length, seen.two.length], [200, 200, 200]);
    const far = seen.one.filter(({ from }) => from === "home-2/lamp");
    assert.deepEqual(far.map(({ payload }) => payload), Array.from({ length: 100 }, (_, n) => ({ n })));
    assert.match(far[7]!.msgid, /^.{5}(\..{5})?~7$/);
  });
}
