import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isExposed, type Envelope } from "@busbar/core";
import { fakeClock, testPlugin } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config.ts";
import { defaultPlant } from "./default-plant.ts";
import opcuaSim from "./mod.ts";
import type { PlantData } from "./plant.ts";

const quiet = { allowWrites: true, opcua: { enabled: false }, modbus: { enabled: false } };

async function start(t: TestContext, config: Record<string, unknown> = quiet, options: { readonly cwd?: string } = {}) {
  const clock = fakeClock();
  const gateway = await testPlugin(opcuaSim, config, { clock, ...options });
  t.after(() => gateway.stop());
  const collect = (pattern: string): Envelope[] => {
    const messages: Envelope[] = [];
    gateway.bus.subscribe(pattern, (message) => void messages.push(message));
    return messages;
  };
  return { clock, gateway, collect };
}

test("opcuaSim publishes the readings of each machine once in each period", async (t) => {
  const { clock, collect } = await start(t);
  const readings = collect("status/#");
  await clock.advance(3_000);
  const machines = (defaultPlant.machines ?? []).map((machine) => machine.id);
  for (const id of machines) assert.equal(readings.filter((message) => message.from === id).length, 3, id);
  const pump = readings.find((message) => message.from === "pump-1")!;
  assert.deepEqual([pump.topic, pump.type, pump.to, pump.qos, pump.retain], ["status/pump-1", "status", "server", 0, false]);
  const payload = pump.payload as { readonly values: readonly Record<string, unknown>[]; readonly quality: string };
  assert.equal(payload.quality, "good");
  assert.deepEqual(payload.values.slice(0, 2), [{ tag: "running", value: true, quality: "good" }, { tag: "speed-set", value: 1_450, unit: "rpm", quality: "good" }]);
  assert.deepEqual(readings.filter((message) => message.from === "lamp-1"), [], "a lamp that nothing happens to says nothing");
});

test("opcuaSim retains the state of its lamp and fan from the start", async (t) => {
  const { gateway } = await start(t);
  const retained: unknown[] = [];
  gateway.bus.subscribe("status/#", (message) => void retained.push([message.from, message.payload]), { retained: true });
  assert.deepEqual(retained, [["lamp-1", { on: false, brightness: 100, power: 0 }], ["fan-1", { on: false, speed: 1, rpm: 0 }]]);
});

test("opcuaSim obeys a command at once, publishes the new state and answers", async (t) => {
  const { clock, gateway, collect } = await start(t);
  const order = collect("#");
  const answer = await gateway.bus.request({ type: "command", to: "lamp-1", from: "console", payload: { on: true, brightness: 60 } }, { signal: AbortSignal.timeout(20_000) });
  const { msgid } = order[0]!;
  assert.deepEqual([answer.type, answer.from, answer.to, answer.payload], ["ack", "lamp-1", "console", { msgid, status: "ok", result: { on: true, brightness: 60 } }]);
  assert.deepEqual(order.map((message) => message.topic), ["command/lamp-1", "status/lamp-1", "ack/console"]);
  assert.deepEqual([order[1]!.payload, order[1]!.retain], [{ on: true, brightness: 60, power: 0 }, true]);
  const states = collect("status/lamp-1");
  await clock.advance(10_000);
  assert.deepEqual(states.at(-1)!.payload, { on: true, brightness: 60, power: 5.4 });
  assert.ok(states.length < 4, `${states.length} states of a lamp that has settled`);
});

test("opcuaSim answers what it refuses with an error and changes nothing", async (t) => {
  const { gateway, collect } = await start(t);
  const states = collect("status/#");
  const ask = async (to: string, payload: unknown) => (await gateway.bus.request({ type: "command", to, from: "console", payload }, { signal: AbortSignal.timeout(20_000) })).payload as Record<string, unknown>;
  const wrong = await ask("fan-1", { speed: 9 });
  assert.equal(wrong["status"], "error");
  assert.deepEqual(wrong["result"], { code: "OUT_OF_RANGE", message: "Cannot write 9 to fan-1.speed: its range is 0 to 3" });
  assert.equal(((await ask("boiler-1", { set: { pressure: 3 } }))["result"] as { code: string }).code, "READ_ONLY");
  assert.equal(((await ask("boiler-1", "off"))["result"] as { code: string }).code, "BAD_COMMAND");
  assert.equal(states.length, 0);
  assert.deepEqual((await ask("boiler-1", { set: { burner: false } }))["result"], { burner: false, "temperature-set": 165 });
  assert.deepEqual(states.map((message) => message.topic), ["status/boiler-1"]);
});

test("opcuaSim answers a durable command durably and leaves an expired one alone", async (t) => {
  const { clock, gateway, collect } = await start(t);
  const acks = collect("ack/#");
  await clock.advance(10);
  await gateway.bus.deliver({ type: "command", to: "lamp-1", from: "late", payload: { on: true }, expires: clock.now() - 1 });
  const answered = gateway.next("ack/console");
  await gateway.bus.deliver({ type: "command", to: "lamp-1", from: "console", msgid: "c1", payload: { on: true }, qos: 1 });
  assert.equal((await answered).qos, 1);
  assert.deepEqual(acks.map((message) => (message.payload as { msgid: string }).msgid), ["c1"]);
});

const alarming: PlantData = { machines: [{ id: "tank", tags: [{ name: "level", unit: "%", signal: { kind: "setpoint", value: 50 }, alarm: { high: 80, hysteresis: 5 } }] }] };

test("opcuaSim delivers alarms as events", async (t) => {
  const { gateway, collect } = await start(t, { ...quiet, plant: alarming });
  const events = collect("event/#");
  const set = async (level: number, wanted: number): Promise<void> => {
    const event = gateway.next("event/tank");
    gateway.bus.publish({ type: "command", to: "tank", payload: { set: { level } } });
    await event;
    assert.equal(events.length, wanted);
  };
  await set(85, 1);
  await set(50, 2);
  assert.deepEqual([events[0]!.from, events[0]!.qos], ["tank", 1]);
  assert.deepEqual(events[0]!.payload, { event: "alarm", alarm: "level/high", state: "raised", tag: "level", level: "high", value: 85, limit: 80, unit: "%", severity: 500, message: "level is 85 %: high alarm at 80" });
  assert.equal((events[1]!.payload as { state: string }).state, "cleared");
});

test("opcuaSim delivers an alarm that stands at the start", async (t) => {
  const clock = fakeClock();
  const events: Envelope[] = [];
  const listener = { name: "listener", description: "Listens before the plant starts", config: v.strictObject({}), setup: (ctx: import("@busbar/core").PluginContext) => void ctx.bus.subscribe("event/+", (message) => void events.push(message)) };
  const plant: PlantData = { machines: [{ id: "press", tags: [{ name: "guard", kind: "bool", signal: { kind: "constant", value: true }, alarm: { when: true } }] }] };
  const gateway = await testPlugin(opcuaSim, { ...quiet, plant }, { clock, plugins: { listener: [listener, {}] } });
  t.after(() => gateway.stop());
  await clock.advance(1_000);
  assert.deepEqual(events.map((event) => (event.payload as { alarm: string }).alarm), ["guard/state"]);
});

test("opcuaSim carries 1,000 tags at 100 ms", async (t) => {
  const { clock, collect, gateway } = await start(t, { ...quiet, plant: {}, fleet: { machines: 10, tags: 100 }, period: "100ms" });
  const readings = collect("status/#");
  const from = performance.now();
  await clock.advance(5_000);
  const each = (performance.now() - from) / 50;
  assert.equal(readings.length, 500);
  assert.equal((readings[0]!.payload as { values: unknown[] }).values.length, 100);
  assert.equal(gateway.metric("busbar_opcua_sim_dropped_total"), 0);
  assert.ok(each < 50, `${each} ms for each 100 ms`);
});

test("opcuaSim announces its servers and puts a Modbus write on the bus at once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "busbar-sim-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { gateway } = await start(t, { allowWrites: true, opcua: { port: 0 }, modbus: { port: 0 } }, { cwd: folder });
  const [opcua, modbus] = gateway.urls;
  assert.match(opcua!, /^opc\.tcp:\/\/127\.0\.0\.1:\d+$/);
  assert.match(modbus!, /^modbus-tcp:\/\/127\.0\.0\.1:\d+$/);
  const told = gateway.next("status/lamp-1");
  const socket = connect(Number(new URL(modbus!).port), "127.0.0.1");
  socket.write(Buffer.from("000100000006050500 00ff00".replaceAll(" ", ""), "hex"));
  assert.deepEqual((await told).payload, { on: true, brightness: 100, power: 0 });
  const closed = once(socket.resume(), "close");
  await gateway.stop();
  await closed;
});

test("opcuaSim reads its plant from a file and says what is wrong with it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "busbar-sim-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "good.json"), JSON.stringify(alarming));
  writeFileSync(join(folder, "bad.json"), JSON.stringify({ machines: [{ id: "m", tags: [{ name: "x", signal: { kind: "sine", low: -5 } }] }] }));
  const { clock, collect } = await start(t, { ...quiet, plantFile: "good.json" }, { cwd: folder });
  const readings = collect("status/#");
  await clock.advance(1_000);
  assert.deepEqual(readings.map((message) => message.from), ["tank"]);
  await assert.rejects(testPlugin(opcuaSim, { ...quiet, plantFile: "bad.json" }, { cwd: folder }), /machines\.0\.tags\.0\.signal: Cannot move between -5 and 100/);
  await assert.rejects(testPlugin(opcuaSim, { ...quiet, plantFile: "none.json" }, { cwd: folder }), /Cannot read the plant in/);
});

test("configSchema has a default for everything and places every problem", () => {
  const defaults = v.parse(configSchema, {});
  assert.deepEqual([defaults.period, defaults.seed, defaults.opcua.port, defaults.modbus.port, defaults.opcua.acceptUnknownClients], [1_000, 1, 4_840, 5_020, false]);
  const problems = (config: unknown): readonly string[] => {
    const result = v.safeParse(configSchema, config);
    return result.success ? [] : result.issues.map((issue) => v.getDotPath(issue) ?? "");
  };
  assert.deepEqual(problems({ perod: 1 }), ["perod"]);
  assert.deepEqual(problems({ period: "1ms" }), ["period"]);
  assert.deepEqual(problems({ plant: { machines: [{ id: "m", tags: [{ name: "x", signal: { kind: "sine", low: -5 } }] }] } }), ["plant.machines.0.tags.0.signal"]);
  assert.deepEqual(problems({ plant: { machines: [{ id: "m", tags: [{ name: "x", sginal: 1, signal: { kind: "sine", perod: 5 } }] }] } }), ["plant.machines.0.tags.0.signal.perod", "plant.machines.0.tags.0.sginal"]);
  assert.deepEqual(problems({ plant: {}, plantFile: "x.json" }), ["plantFile"]);
});

test("opcuaSim listens beyond this machine only where its config says insecure", () => {
  const open = (config: object) => opcuaSim.listens!(v.parse(configSchema, config)).filter(isExposed).map(({ at, insecure }) => [at.join(), insecure]);
  assert.deepEqual(open({}), []);
  assert.deepEqual(open({ opcua: { host: "0.0.0.0" }, modbus: { host: "10.0.0.1", insecure: true } }), [["opcua", false], ["modbus", true]]);
  assert.deepEqual(open({ opcua: { host: "0.0.0.0", enabled: false } }), []);
});

test("opcuaSim tells the presence of its machines, also to who comes later", async () => {
  const gateway = await testPlugin(opcuaSim, quiet);
  const present: string[] = [];
  gateway.bus.subscribe("event/+/presence", ({ from, payload }) => void present.push(`${from} ${(payload as { presence: string }).presence}`), { retained: true });
  assert.ok(present.includes("lamp-1/presence online"));
  await gateway.stop();
  assert.ok(present.includes("lamp-1/presence offline"));
});

test("opcuaSim moves nothing unless its config says allowWrites: true, and says why", async (t) => {
  const { gateway, collect } = await start(t, { opcua: { enabled: false }, modbus: { port: 0 } });
  const states = collect("status/lamp-1");
  const audited = collect("audit/#");
  const answer = await gateway.bus.request({ type: "command", to: "lamp-1", from: "anna", payload: { on: true } }, { signal: AbortSignal.timeout(20_000) });
  assert.deepEqual((answer.payload as { readonly status: string; readonly result: unknown }).result, { code: "FORBIDDEN", message: 'Cannot write to "lamp-1": plugins.subject.allowWrites is false' });
  const socket = connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1");
  t.after(() => socket.destroy());
  const ask = async (pdu: string): Promise<string> => {
    socket.write(Buffer.from(`00010000${((pdu.length / 2) + 1).toString(16).padStart(4, "0")}05${pdu}`, "hex"));
    const [data] = (await once(socket, "data")) as [Buffer];
    return data.subarray(7).toString("hex");
  };
  for (const write of ["050000ff00", "0600000032", "0f00000001" + "0101", "1000000001" + "020032"]) assert.equal(await ask(write), `${(Number.parseInt(write.slice(0, 2), 16) | 0x80).toString(16)}01`, write);
  assert.equal(await ask("0100000001"), "010100", "reading goes on, and the lamp is off");
  assert.deepEqual(states, []);
  assert.equal(gateway.metric('busbar_writes_refused_total{instance="subject"}'), 5);
  assert.ok(audited.some(({ payload }) => JSON.stringify(payload).includes('"write-refused"')));
});

test("opcuaSim with bus: false moves on and serves, but is not on the bus", async (t) => {
  const { gateway, clock, collect } = await start(t, { bus: false, allowWrites: true, opcua: { enabled: false }, modbus: { port: 0 } });
  const said = collect("#");
  await clock.advance(5_000);
  assert.deepEqual(said.filter(({ from }) => from !== "gateway").map(({ topic }) => topic), []);
  const socket = connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write(Buffer.from("000100000006010300000002", "hex"));
  const [data] = (await once(socket, "data")) as [Buffer];
  assert.equal(data.subarray(7, 9).toString("hex"), "0304", "a machine's registers are there");
});

test("opcuaSim publishes a machine that has a cadence of its own in that cadence, with new values", async (t) => {
  const { clock, collect } = await start(t, { ...quiet, plant: {}, period: "100ms", fleet: [{ prefix: "fast", machines: 1, tags: 2 }, { prefix: "slow", machines: 2, tags: 3, every: "1s" }] });
  const readings = collect("status/#");
  await clock.advance(3_000);
  const count = (id: string): number => readings.filter(({ from }) => from === id).length;
  assert.deepEqual([count("fast-001"), count("slow-001"), count("slow-002")], [30, 3, 3]);
  const values = readings.filter(({ from }) => from === "slow-001").map(({ payload }) => (payload as { values: { value: number }[] }).values[0]!.value);
  assert.equal(new Set(values).size, 3);
});

test("opcuaSim calls a method of a machine by command", async (t) => {
  const { clock, gateway } = await start(t);
  await clock.advance(80_000);
  const ask = async (to: string, payload: unknown) => (await gateway.bus.request({ type: "command", to, from: "console", payload }, { signal: AbortSignal.timeout(20_000) })).payload as { status: string; result: unknown };
  assert.deepEqual((await ask("press-1", { call: { method: "reset-parts" } })).result, { parts: 10 });
  assert.deepEqual((await ask("press-1", { call: { method: "reset-parts" } })).result, { parts: 0 });
  assert.equal((await ask("pump-1", { call: { method: "start", arguments: { speed: 2_000 } } })).status, "ok");
  assert.deepEqual((await ask("pump-1", { set: { running: true } })).result, { running: true, "speed-set": 2_000 });
  assert.equal(((await ask("pump-1", { call: { method: "start" } })).result as { code: string }).code, "BAD_COMMAND");
  assert.equal(((await ask("pump-1", { call: { method: "fly" } })).result as { code: string }).code, "NO_SUCH_METHOD");
  assert.equal(((await ask("subject", { call: { method: "start" } })).result as { code: string }).code, "BAD_COMMAND");
});
