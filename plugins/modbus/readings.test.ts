import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { fakeClock, testPlugin, until } from "@busbar/core/testkit";
import modbus from "./mod.ts";
import { ScriptedDevice } from "./testing/scripted-device.ts";
import { UnitMemory } from "./testing/unit-memory.ts";

interface Payload {
  readonly quality: string;
  readonly values: readonly { readonly tag: string; readonly value: unknown; readonly quality: string; readonly code?: string; readonly timestamp?: number }[];
}

const point = (tag: string, address: number, more: object = {}) => ({ tag, table: "holding", address, ...more });

async function open(config: object, device: object, memory = new UnitMemory()) {
  const peer = await ScriptedDevice.listen({ 1: memory });
  const clock = fakeClock();
  const gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, ...config, devices: [{ id: "d", timeout: "60s", ...device }] }, { clock });
  const heard: Envelope<Payload>[] = [];
  const events: Envelope<Record<string, unknown>>[] = [];
  gateway.bus.subscribe("status/d", (message) => void heard.push(message as Envelope<Payload>));
  gateway.bus.subscribe("event/d", (message) => void events.push(message as Envelope<Record<string, unknown>>));
  return {
    peer, clock, gateway, memory, heard, events,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await peer[Symbol.asyncDispose]();
    },
  };
}

/** Moves time on until it holds; sockets need real time in between. */
const eventually = (what: string, clock: { advance(ms: number): Promise<void> }, holds: () => unknown, step = 10) =>
  until(what, holds as () => boolean, { turn: async () => {
    await clock.advance(step);
    await new Promise((resolve) => setTimeout(resolve, 5));
  } });

test("modbus publishes on change what differs, and all of it at the heartbeat", async () => {
  await using bench = await open({ publish: "on-change", heartbeat: "10s" }, { period: "1s", points: [point("a", 0), point("b", 1)] });
  const { clock, memory, heard, peer } = bench;
  await until("the first", () => heard.length === 1);
  assert.deepEqual(heard[0]!.payload.values.map(({ tag }) => tag), ["a", "b"]);
  memory.hold(1, 5);
  await eventually("the change", clock, () => heard.length === 2, 100);
  assert.deepEqual(heard[1]!.payload.values.map(({ tag, value }) => [tag, value]), [["b", 5]]);
  const before = peer.requests.length;
  await eventually("the heartbeat", clock, () => heard.length === 3, 100);
  assert.deepEqual(heard[2]!.payload.values.map(({ tag }) => tag), ["a", "b"]);
  assert.ok(heard[2]!.timestamp - heard[0]!.timestamp >= 10_000 && peer.requests.length > before);
});

test("modbus says for each reading when it was sampled, where that differs", async () => {
  await using bench = await open({}, { period: "1s", maxGap: 0, timeout: "60s", points: [point("a", 0), point("b", 100)] });
  const { clock, heard, peer } = bench;
  await until("the first", () => heard.length === 1);
  peer.script = ({ pdu }, reply) => {
    if (pdu[2] === 0) return false;
    void clock.advance(300).then(() => reply.send(Uint8Array.of(3, 2, 0, 9)));
    return true;
  };
  await eventually("the second", clock, () => heard.length === 2, 100);
  const [a, b] = heard[1]!.payload.values;
  assert.equal(b!.timestamp, undefined);
  assert.ok(heard[1]!.timestamp - a!.timestamp! >= 300, "a was sampled before b");
});

for (const [exception, quality, code] of [
  [1, "bad", "modbus/01 illegal function"],
  [4, "bad", "modbus/04 server device failure"],
  [5, "uncertain", "modbus/05 acknowledge"],
  [6, "uncertain", "modbus/06 server device busy"],
  [8, "bad", "modbus/08 memory parity error"],
] as const) {
  test(`modbus maps exception ${exception} to ${quality}, keeps the last value, and says when it begins and ends`, async () => {
    await using bench = await open({}, { period: "1s", points: [point("a", 0)] });
    const { clock, memory, heard, events, peer } = bench;
    memory.hold(0, 7);
    await eventually("a good value", clock, () => heard.at(-1)?.payload.values[0]!.value === 7, 100);
    peer.script = (_request, reply) => (reply.send(Uint8Array.of(0x83, exception)), true);
    await eventually("the fault", clock, () => heard.at(-1)!.payload.quality !== "good", 100);
    assert.deepEqual(heard.at(-1)!.payload, { values: [{ tag: "a", value: 7, quality, code }], quality });
    await until("its event", () => events.length === 1);
    assert.deepEqual(events[0]!.payload, { event: "fault", fault: code, state: "raised", tags: ["a"], count: 1, message: `${code}: all tags` });
    assert.equal(bench.gateway.metric("busbar_modbus_online"), 1, "it answers");
    peer.script = () => false;
    await eventually("a good value again", clock, () => heard.at(-1)!.payload.quality === "good", 100);
    await until("the end", () => events.length === 2);
    assert.deepEqual(events[1]!.payload, { event: "fault", fault: code, state: "cleared", message: `${code} is over` });
  });
}

test("modbus marks only what a device refuses", async () => {
  await using bench = await open({}, { period: "1s", points: [point("a", 0), point("b", 1), point("c", 2)] }, new UnitMemory({ has: (address) => address !== 1 }));
  await until("the first", () => bench.heard.length === 1);
  assert.deepEqual(bench.heard[0]!.payload.values.map(({ tag, value, quality, code }) => [tag, value, quality, code]), [["a", 0, "good", undefined], ["b", null, "bad", "modbus/02 illegal data address"], ["c", 0, "good", undefined]]);
  assert.equal(bench.heard[0]!.payload.quality, "bad");
});

test("modbus says of a device that was never reached that it is gone", async () => {
  const clock = fakeClock();
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: 1, devices: [{ id: "d", points: [point("a", 0)] }] }, { clock });
  const heard: Envelope<Payload>[] = [];
  gateway.bus.subscribe("status/d", (message) => void heard.push(message as Envelope<Payload>));
  await until("it is said", () => heard.length === 1 || gateway.log.some(({ message }) => message === "device cannot be reached"));
  const retained: Envelope[] = [];
  gateway.bus.subscribe("event/d/presence", (message) => void retained.push(message), { retained: true });
  await until("its presence", () => retained.length === 1);
  assert.equal((retained[0]!.payload as { presence: string }).presence, "offline");
});

test("modbus reads many units of one entry, each a device of its own", async () => {
  const units = Object.fromEntries([1, 2, 3, 9].map((unit) => {
    const memory = new UnitMemory();
    memory.hold(0, unit);
    return [unit, memory];
  }));
  await using peer = await ScriptedDevice.listen(units);
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, qos: 1, devices: [{ id: "hall/meter-{unit}", units: "1-3,9", period: 50, points: [point("a", 0)] }] });
  const heard = new Map<string, unknown>();
  gateway.bus.subscribe("status/#", (message) => void heard.set(message.topic, (message.payload as Payload).values[0]!.value));
  await until("all four", () => heard.size === 4);
  assert.deepEqual([...heard].sort(), [["status/hall/meter-1", 1], ["status/hall/meter-2", 2], ["status/hall/meter-3", 3], ["status/hall/meter-9", 9]]);
});
