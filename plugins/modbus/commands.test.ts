import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Envelope } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import modbus from "./mod.ts";
import { ScriptedDevice } from "./testing/scripted-device.ts";
import { UnitMemory } from "./testing/unit-memory.ts";

const points = [
  { tag: "speed", table: "holding", address: 0, writable: true, scale: 0.1, unit: "Hz", limits: { low: 0, high: 50 } },
  { tag: "target", table: "holding", address: 1, type: "float32", order: "cdab", writable: true },
  { tag: "mode", table: "holding", address: 3, writable: true },
  { tag: "start", table: "holding", address: 4, bit: 0, writable: true },
  { tag: "reset", table: "holding", address: 4, bit: 9, writable: true },
  { tag: "low", table: "holding", address: 5, type: "uint8", writable: true },
  { tag: "pump", table: "coil", address: 0, writable: true },
  { tag: "valve", table: "coil", address: 1, writable: true },
  { tag: "name", table: "holding", address: 6, type: "string", length: 6, writable: true },
  { tag: "pulse", table: "holding", address: 9, writable: true, readBack: false },
  { tag: "measured", table: "input", address: 0 },
];

async function open(t: TestContext, { device = {}, allowWrites = true, memory = new UnitMemory() }: { readonly device?: object; readonly allowWrites?: boolean; readonly memory?: UnitMemory } = {}) {
  const peer = await ScriptedDevice.listen({ 1: memory });
  const gateway = await testPlugin(modbus, { host: "127.0.0.1", port: peer.port, allowWrites, devices: [{ id: "drive", period: "1h", timeout: 100, points, ...device }] });
  t.after(async () => {
    await gateway.stop();
    await peer[Symbol.asyncDispose]();
  });
  const heard: Envelope[] = [];
  gateway.bus.subscribe("status/drive", (message) => void heard.push(message));
  await until("it is read", () => gateway.metric("busbar_modbus_online") === 1);
  const send = async (payload: unknown): Promise<{ readonly status: string; readonly result: any }> => {
    const answer = await gateway.bus.request({ type: "command", from: "boss", to: "drive", payload, qos: 0 }, { signal: AbortSignal.timeout(20_000) });
    return answer.payload as { readonly status: string; readonly result: any };
  };
  /** What was written, as hex. */
  const writes = (): readonly string[] => peer.requests.filter(({ pdu }) => pdu[0]! > 4).map(({ pdu }) => Buffer.from(pdu).toString("hex"));
  return { peer, gateway, memory, send, writes, heard };
}

for (const [what, set, written] of [
  ["one register with function 6", { speed: 12.5 }, ["060000007d"]],
  ["a float with function 16, in the order of the wire", { target: 1.5 }, ["100001000204" + "00003fc0"]],
  ["neighbours at once", { speed: 5, target: 1.5, mode: 7 }, ["100000000408" + "0032" + "00003fc0" + "0007"]],
  ["registers that are apart one by one", { speed: 5, mode: 7 }, ["0600000032", "0600030007"]],
  ["one coil with function 5", { valve: true }, ["050001ff00"]],
  ["coils at once with function 15", { pump: true, valve: true }, ["0f000000020103"]],
  ["bits of one register at once with function 22", { start: true, reset: false }, ["160004fdfe0001"]],
  ["half of a register", { low: 0x12 }, ["160005ff000012"]],
  ["text", { name: "Ab" }, ["1000060003064162" + "00000000"]],
] as const) {
  test(`modbus writes ${what}`, async (t) => {
    const { send, writes } = await open(t);
    assert.deepEqual(await send({ set }).then(({ status, result }) => [status, result]), ["ok", set]);
    assert.deepEqual(writes(), written);
  });
}

test("modbus publishes what it wrote at once, as the device shows it", async (t) => {
  const { send, heard } = await open(t);
  const before = heard.length;
  await send({ set: { speed: 12.34 } });
  const { values } = heard[before]!.payload as { readonly values: readonly unknown[] };
  assert.deepEqual(values, [{ tag: "speed", value: 12.3, unit: "Hz", quality: "good" }]);
});

test("modbus reads, changes and writes a register where the device does not know function 22, and asks it only once", async (t) => {
  const { send, writes, memory } = await open(t, { memory: new UnitMemory({ unknown: [22] }) });
  memory.hold(4, 0x0f00);
  assert.equal((await send({ set: { start: true } })).status, "ok");
  assert.equal((await send({ set: { reset: false } })).status, "ok");
  assert.equal(memory.holding[4], 0x0d01);
  assert.deepEqual(writes(), ["160004fffe0001", "0600040f01", "0600040d01"]);
});

for (const [writeFunctions, expected] of [
  ["single", ["0600000032", "0600010000", "0600023fc0", "050000ff00", "050001ff00"].toSorted()],
  ["multiple", ["100000000306" + "0032" + "00003fc0", "0f000000020103"].toSorted()],
] as const) {
  test(`modbus keeps to writeFunctions: ${writeFunctions}`, async (t) => {
    const { send, writes } = await open(t, { device: { writeFunctions } });
    assert.equal((await send({ set: { speed: 5, target: 1.5, pump: true, valve: true } })).status, "ok");
    assert.deepEqual(writes().toSorted(), expected);
  });
}

for (const [what, payload, code] of [
  ["an unknown tag", { set: { nothing: 1 } }, "NO_SUCH_TAG"],
  ["a tag that is not writable", { set: { measured: 1 } }, "READ_ONLY"],
  ["another type", { set: { speed: "fast" } }, "WRONG_TYPE"],
  ["what is outside of the limits", { set: { speed: 51 } }, "OUT_OF_RANGE"],
  ["what does not fit the register", { set: { mode: 70_000 } }, "OUT_OF_RANGE"],
  ["one wrong tag among right ones", { set: { mode: 1, pump: true, speed: -1 } }, "OUT_OF_RANGE"],
  ["no tags", { set: {} }, "BAD_COMMAND"],
  ["something else", { on: true }, "BAD_COMMAND"],
  ["no object", 5, "BAD_COMMAND"],
] as const) {
  test(`modbus refuses a command with ${what}, and writes nothing`, async (t) => {
    const { send, writes } = await open(t);
    assert.deepEqual(await send(payload).then(({ status, result }) => [status, result.code]), ["error", code]);
    assert.deepEqual(writes(), []);
  });
}

test("modbus writes nothing without allowWrites", async (t) => {
  const { send, writes, gateway } = await open(t, { allowWrites: false });
  assert.equal((await send({ set: { mode: 1 } })).result.code, "FORBIDDEN");
  assert.deepEqual(writes(), []);
  assert.equal(gateway.metric("busbar_writes_refused_total"), 1);
});

test("modbus says when a device took a value and shows another one", async (t) => {
  const { send, memory } = await open(t, { device: { readBackWithin: 50 } });
  memory.onWrite = () => memory.hold(3, 99);
  const { status, result } = await send({ set: { mode: 7 } });
  assert.deepEqual([status, result.code], ["error", "NOT_CONFIRMED"]);
  assert.match(result.message, /shows 99 for "mode"/);
});

test("modbus waits for a device that shows a value late", async (t) => {
  const { send, memory } = await open(t);
  memory.onWrite = () => {
    memory.hold(3, 0);
    setTimeout(() => memory.hold(3, 7), 60);
  };
  assert.deepEqual(await send({ set: { mode: 7 } }).then(({ status, result }) => [status, result]), ["ok", { mode: 7 }]);
});

test("modbus does not look after a tag whose readBack is off", async (t) => {
  const { send, memory, peer } = await open(t);
  memory.onWrite = () => memory.hold(9, 0);
  const before = peer.requests.length;
  assert.deepEqual(await send({ set: { pulse: 1 } }).then(({ status, result }) => [status, result]), ["ok", { pulse: 1 }]);
  assert.equal(peer.requests.length, before + 1);
});

test("modbus says what a device refuses, and what was set before", async (t) => {
  const { send, memory } = await open(t);
  memory.limits = { has: (address) => address !== 3 };
  const { result } = await send({ set: { speed: 5, mode: 7 } });
  assert.equal(result.code, "DEVICE_REFUSED");
  assert.equal(result.message, 'Cannot set "mode": modbus/02 illegal data address; "speed" was set before');
});

test("modbus takes a write without an answer as done when the device shows it, and else says that it got none", async (t) => {
  const { send, memory, peer } = await open(t);
  let obeys = true;
  peer.script = ({ pdu }) => {
    if (pdu[0] !== 6) return false;
    if (obeys) memory.answer(pdu);
    return true;
  };
  assert.equal((await send({ set: { mode: 7 } })).status, "ok");
  obeys = false;
  assert.equal((await send({ set: { mode: 8 } })).result.code, "NO_ANSWER");
});

test("modbus answers a command to a device that is gone", async (t) => {
  const { send, peer, gateway } = await open(t);
  await peer[Symbol.asyncDispose]();
  await until("it is gone", () => gateway.metric("busbar_modbus_online") === 0);
  assert.equal((await send({ set: { mode: 7 } })).result.code, "NO_CONNECTION");
});

test("modbus does not carry out a command whose time is over", async (t) => {
  const { gateway, writes } = await open(t);
  const acks: Envelope[] = [];
  gateway.bus.subscribe("ack/boss", (message) => void acks.push(message));
  gateway.bus.publish({ type: "command", from: "boss", to: "drive", payload: { set: { mode: 1 } }, expires: Date.now() - 1 });
  await until("its answer", () => acks.length === 1);
  assert.equal((acks[0]!.payload as { result: { code: string } }).result.code, "EXPIRED");
  assert.deepEqual(writes(), []);
});
