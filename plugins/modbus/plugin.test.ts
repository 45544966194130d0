import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import modbus from "./mod.ts";
import { ScriptedDevice } from "./testing/scripted-device.ts";
import { UnitMemory } from "./testing/unit-memory.ts";

interface Payload {
  readonly quality: string;
  readonly values: readonly { readonly tag: string; readonly value: unknown; readonly quality: string; readonly unit?: string; readonly code?: string; readonly timestamp?: number }[];
}

const point = (tag: string, address: number, more: object = {}) => ({ tag, table: "holding", address, ...more });

/** Everything that is said on a topic. */
function hear(gateway: Awaited<ReturnType<typeof testPlugin>>, pattern: string): Envelope<Payload>[] {
  const heard: Envelope<Payload>[] = [];
  gateway.bus.subscribe(pattern, (message) => void heard.push(message as Envelope<Payload>));
  return heard;
}

test("modbus reads a device's tags with value, unit and quality, each period", async () => {
  const memory = new UnitMemory();
  memory.hold(0, 423, 0x41aa, 0x6666, 0b1000);
  memory.coils[3] = 1;
  await using peer = await ScriptedDevice.listen({ 7: memory });
  const points = [point("temperature", 0, { scale: 0.1, unit: "°C" }), { tag: "level", register: 40002, type: "float32" }, point("alarm", 3, { bit: 3 }), { tag: "pump", register: "00004" }];
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, devices: [{ id: "boiler", unit: 7, period: "20ms", points }] });
  const heard = hear(gateway, "status/boiler");
  await until("three readings", () => heard.length >= 3);
  const [{ payload }] = heard as [Envelope<Payload>];
  assert.deepEqual(payload.values.map(({ timestamp: _when, ...reading }) => reading), [
    { tag: "temperature", value: 42.3, unit: "°C", quality: "good" },
    { tag: "level", value: 21.3, quality: "good" },
    { tag: "alarm", value: true, quality: "good" },
    { tag: "pump", value: true, quality: "good" },
  ]);
  assert.equal(payload.quality, "good");
  assert.equal(gateway.metric("busbar_modbus_online"), 1);
  assert.deepEqual(peer.requests.slice(0, 2).map(({ pdu }) => Buffer.from(pdu).toString("hex")).toSorted(), ["0100030001", "0300000004"], "one request for the registers, one for the coil");
});

test("modbus says that a device is gone with its last values, and that it is back", async () => {
  const memory = new UnitMemory();
  memory.hold(0, 5);
  const peer = await ScriptedDevice.listen({ 1: memory });
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, reconnect: { min: 10, max: 20 }, devices: [{ id: "pump", period: "20ms", points: [point("speed", 0)] }] });
  const heard = hear(gateway, "status/pump");
  const events = hear(gateway, "event/pump/#");
  await until("a good value", () => heard.length > 0);
  const { port } = peer;
  await peer[Symbol.asyncDispose]();
  const bad = await until("the bad value", () => heard.find(({ payload }) => payload.quality === "bad"));
  assert.deepEqual(bad.payload.values, [{ tag: "speed", value: 5, quality: "bad", code: "no connection" }]);
  memory.hold(0, 6);
  await using _again = await ScriptedDevice.listen({ 1: memory }, { port });
  await until("a good value again", () => heard.some(({ payload }) => payload.quality === "good" && payload.values[0]!.value === 6));
  assert.equal(heard.filter(({ payload }) => payload.quality === "bad").length, 1, "it is said once");
  await until("the events", () => events.some(({ payload }) => (payload as unknown as { state?: string }).state === "cleared"));
  assert.deepEqual(events.filter(({ topic }) => topic === "event/pump/presence").map(({ payload }) => (payload as unknown as { presence: string }).presence).slice(-2), ["offline", "online"]);
  assert.deepEqual(events.filter(({ topic }) => topic === "event/pump").map(({ payload }) => [(payload as unknown as { fault: string }).fault, (payload as unknown as { state: string }).state]), [["no connection", "raised"], ["no connection", "cleared"]]);
});
