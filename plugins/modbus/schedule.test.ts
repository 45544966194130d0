import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import modbus from "./mod.ts";
import { ScriptedDevice, type SeenRequest } from "./testing/scripted-device.ts";
import { UnitMemory } from "./testing/unit-memory.ts";

const points = [{ tag: "a", table: "holding", address: 0 }];

/** The times between the reads of a unit in ms, the shortest first. */
function stepsOf(requests: readonly SeenRequest[], unit: number): readonly number[] {
  const times = requests.filter((one) => one.unit === unit).map(({ at }) => at);
  return times.slice(1).map((at, n) => at - times[n]!).sort((a, b) => a - b);
}

const median = (sorted: readonly number[]): number => sorted[sorted.length >> 1]!;

test("modbus reads each group at its own times, with less than 1 % drift although answers take a while", async () => {
  await using peer = await ScriptedDevice.listen({ 1: new UnitMemory() });
  const device = (id: string, period: number, address: number) => ({ id, period, points: [{ tag: "a", table: "holding", address }] });
  let missed = (_id: string): number => 0;
  const seen: Record<string, { readonly at: number; readonly missed: number }[]> = { fast: [], slow: [] };
  peer.script = ({ pdu, at }, reply) => {
    const id = pdu[2] === 0 ? "fast" : "slow";
    seen[id]!.push({ at, missed: missed(id) });
    setTimeout(() => reply.send(Uint8Array.of(3, 2, 0, 1)), 7);
    return true;
  };
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, perUnit: 2, devices: [device("fast", 20, 0), device("slow", 100, 9)] });
  missed = (id) => gateway.metric(`busbar_modbus_missed_total{device="${id}"}`);
  await until("30 slow reads", () => seen["slow"]!.length >= 30);
  for (const [id, period] of [["fast", 20], ["slow", 100]] as const) {
    const [, , first] = seen[id]!; // the first one comes with the connection, before the schedule
    const last = seen[id]!.at(-1)!;
    const turns = seen[id]!.length - 3 + last.missed - first!.missed;
    const due = (last.at - first!.at) / period;
    assert.ok(Math.abs(turns - due) <= 0.01 * due + 1.5, `${id}: ${turns} reads and reads missed where ${due} were due`);
  }
});

test("modbus counts the reads that a device is too slow for, and stays in step", async () => {
  await using peer = await ScriptedDevice.listen({ 1: new UnitMemory() });
  peer.script = (_request, reply) => {
    setTimeout(() => reply.send(Uint8Array.of(3, 2, 0, 1)), 70);
    return true;
  };
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, devices: [{ id: "d", period: 50, points }] });
  await until("ten reads", () => peer.requests.length >= 10);
  const step = median(stepsOf(peer.requests, 1));
  assert.ok(step > 90, `every second time is free, reads come each ${step} ms`);
  assert.ok(gateway.metric("busbar_modbus_missed_total") >= 8);
});

test("modbus does not let slow, dead and unknown units hold up the others", async () => {
  await using peer = await ScriptedDevice.listen({ 1: new UnitMemory(), 2: new UnitMemory(), 3: new UnitMemory() });
  peer.script = (request, reply) => {
    if (request.unit === 3) setTimeout(() => reply.send(Uint8Array.of(3, 2, 0, 1)), 300);
    if (request.unit === 5) reply.send(Uint8Array.of(0x83, 0x0b));
    return request.unit >= 3;
  };
  const device = (unit: number) => ({ id: `unit-${unit}`, unit, period: 25, timeout: 400, points });
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, devices: [1, 2, 3, 4, 5, 6].map(device) });
  const presence: Envelope[] = [];
  gateway.bus.subscribe("event/+/presence", (message) => void presence.push(message));
  await until("units 4 and 6 are gone, and 100 reads", () => gateway.metric('busbar_modbus_online{device="unit-1"}') === 1 && peer.requests.filter(({ unit }) => unit === 2).length >= 100);
  for (const unit of [1, 2]) {
    const step = median(stepsOf(peer.requests, unit)); // held up it would be 300 ms at the least
    assert.ok(step < 75, `unit ${unit} was read every ${step} ms`);
  }
  assert.ok(peer.requests.filter(({ unit }) => unit === 4).length <= 6, "a dead unit is asked less and less");
  assert.equal(gateway.metric('busbar_modbus_online{device="unit-3"}'), 1, "slow is not dead");
  assert.deepEqual(["unit-4", "unit-5", "unit-6"].map((id) => gateway.metric(`busbar_modbus_online{device="${id}"}`)), [0, 0, 0]);
});

test("modbus lets a dead unit take only a small share of a line that carries one request at a time", async () => {
  await using peer = await ScriptedDevice.listen({ 1: new UnitMemory() }, { framing: "rtu" });
  const device = (unit: number) => ({ id: `unit-${unit}`, unit, period: 20, timeout: 100, points });
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, framing: "rtu", devices: [1, 2, 3].map(device) });
  await until("both are gone", () => [2, 3].every((unit) => gateway.metric(`busbar_modbus_timeouts_total{device="unit-${unit}"}`) >= 2));
  const from = peer.requests.length;
  await until("80 reads", () => peer.requests.slice(from).filter(({ unit }) => unit === 1).length >= 80);
  const since = peer.requests.slice(from);
  const silent = since.filter(({ unit }) => unit !== 1).length;
  const share = (silent * 100) / (since.at(-1)!.at - since[0]!.at);
  assert.ok(share < 0.2, `two dead units took ${Math.round(100 * share)} % of the line`);
  assert.ok(median(stepsOf(since, 1)) < 60, "the other one is read all the while");
});

test("modbus sees a unit that comes back, on a connection that stayed", async () => {
  const memory = new UnitMemory();
  await using peer = await ScriptedDevice.listen({ 1: memory, 2: new UnitMemory() });
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, devices: [{ id: "d", period: 20, timeout: 50, points }, { id: "e", unit: 2, period: 20, points }] });
  const heard: Envelope[] = [];
  gateway.bus.subscribe("status/d", (message) => void heard.push(message));
  const last = (): unknown => (heard.at(-1)?.payload as { values: readonly unknown[] } | undefined)?.values[0];
  await until("it is read", () => heard.length > 2);
  peer.units.delete(1);
  memory.hold(0, 77);
  await until("it is gone", () => gateway.metric('busbar_modbus_online{device="d"}') === 0);
  assert.deepEqual(last(), { tag: "a", value: 0, quality: "bad", code: "no answer" });
  peer.units.set(1, memory);
  await until("it is back", () => gateway.metric('busbar_modbus_online{device="d"}') === 1);
  await until("its value", () => JSON.stringify(last()) === '{"tag":"a","value":77,"quality":"good"}');
  assert.equal(peer.connections, 1);
});

test("modbus connects anew when nobody answers any more", async () => {
  await using peer = await ScriptedDevice.listen({ 1: new UnitMemory() });
  peer.script = () => peer.connections === 1;
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, reconnect: { min: 10, max: 50 }, devices: [1, 2, 3].map((unit) => ({ id: `d-${unit}`, unit, period: 10, timeout: 20, points })) });
  await until("the second connection answers", () => gateway.metric('busbar_modbus_online{device="d-1"}') === 1);
  assert.equal(peer.connections, 2);
});
