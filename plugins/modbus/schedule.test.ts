import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import modbus from "./mod.ts";
import { ScriptedDevice, type SeenRequest } from "./testing/scripted-device.ts";
import { UnitMemory } from "./testing/unit-memory.ts";

const points = [{ tag: "a", table: "holding", address: 0 }];

/** How long the reads of a unit were apart on average, in ms, and the longest time between two. */
function rhythm(requests: readonly SeenRequest[], unit: number): { readonly count: number; readonly mean: number; readonly longest: number } {
  const times = requests.filter((one) => one.unit === unit).map(({ at }) => at);
  const steps = times.slice(1).map((at, n) => at - times[n]!);
  return { count: times.length, mean: (times.at(-1)! - times[0]!) / steps.length, longest: Math.max(...steps) };
}

test("modbus reads each group at its own times, with less than 1 % drift although answers take a while", async () => {
  await using peer = await ScriptedDevice.listen({ 1: new UnitMemory() });
  peer.script = (_request, reply) => {
    setTimeout(() => reply.send(Uint8Array.of(3, 2, 0, 1)), 7);
    return true;
  };
  const device = (id: string, period: number, address: number) => ({ id, period, points: [{ tag: "a", table: "holding", address }] });
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, perUnit: 2, devices: [device("fast", 20, 0), device("slow", 100, 9)] });
  const of = (address: number) => peer.requests.filter(({ pdu }) => pdu[2] === address);
  await until("150 reads", () => of(0).length >= 150);
  for (const [id, period, address] of [["fast", 20, 0], ["slow", 100, 9]] as const) {
    const times = of(address).slice(1).map(({ at }) => at); // the first one comes with the connection, before the schedule
    const due = (times.at(-1)! - times[0]!) / period;
    const counted = times.length - 1 + gateway.metric(`busbar_modbus_missed_total{device="${id}"}`);
    assert.ok(Math.abs(counted - due) <= 0.01 * due + 1, `${id}: ${counted} reads and reads missed where ${due} were due`);
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
  const { mean } = rhythm(peer.requests.slice(1), 1);
  assert.ok(mean > 95, `every second time is free, reads come each ${mean} ms`);
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
    const { mean, count } = rhythm(peer.requests.slice(4), unit);
    assert.ok(mean < 26 * 1.1, `unit ${unit} was read every ${mean} ms, ${count} times`);
  }
  assert.ok(peer.requests.filter(({ unit }) => unit === 4).length <= 6, "a dead unit is asked less and less");
  assert.equal(gateway.metric('busbar_modbus_online{device="unit-3"}'), 1, "slow is not dead");
  assert.deepEqual(["unit-4", "unit-5", "unit-6"].map((id) => gateway.metric(`busbar_modbus_online{device="${id}"}`)), [0, 0, 0]);
});

test("modbus lets a dead unit take only a small share of a line that carries one request at a time", async () => {
  await using peer = await ScriptedDevice.listen({ 1: new UnitMemory() }, { framing: "rtu" });
  const device = (unit: number) => ({ id: `unit-${unit}`, unit, period: 20, timeout: 100, points });
  await using gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, framing: "rtu", devices: [1, 2, 3].map(device) });
  await until("150 reads", () => peer.requests.filter(({ unit }) => unit === 1).length >= 150);
  const times = peer.requests.filter(({ unit }) => unit === 1).map(({ at }) => at);
  const late = times.slice(50);
  const mean = (late.at(-1)! - late[0]!) / (late.length - 1);
  assert.ok(mean < 24, `with two dead units on the line it is read every ${mean} ms instead of 20`);
  assert.equal(gateway.metric('busbar_modbus_online{device="unit-2"}'), 0);
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
