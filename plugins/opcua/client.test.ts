import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "@busbar/core/testkit";
import { DataType, StatusCodes } from "node-opcua";
import { addFastVariable, fastServer, openRig, temporaryFolder } from "./testing/client-rig.ts";
import { openOpcuaFixture, plantNamespace, type OpcuaFixture } from "./testing/opcua-fixture.ts";

/*
 * One server for the file, as it takes seconds to start.
 */
const folder = temporaryFolder();
let fixture: OpcuaFixture;
let setFast: ReturnType<typeof addFastVariable>;
before(async () => {
  fixture = await openOpcuaFixture({ server: fastServer });
  setFast = addFastVariable(fixture, "fast");
});
after(() => fixture.close());

const fast = { node: `nsu=${plantNamespace};s=press-1.fast`, tag: "fast" };
const temperature = { node: `nsu=${plantNamespace};s=press-1.temperature`, tag: "temperature" };

test("opcua publishes nodes by id and by path, with unit, source time, quality and code", async () => {
  const at = new Date(Date.now() - 5_000);
  fixture.press.setTemperature(41.5, at);
  await using rig = await openRig({
    url: fixture.url,
    nodes: [temperature, fast, { node: "/Objects/Plant/press-1/double", tag: "way", device: "press-9", unit: "mm" }, { node: "ns=1;s=nothing", tag: "none" }, { node: "nsu=urn:elsewhere;s=x", tag: "elsewhere" }],
  }, folder);
  await until("all have come", () => ["temperature", "way", "none", "elsewhere"].every((tag) => rig.readings(tag).length > 0));
  assert.deepEqual(rig.readings("temperature")[0], { device: "subject", tag: "temperature", value: 41.5, unit: "°C", quality: "good", timestamp: at.getTime(), late: false });
  assert.deepEqual([rig.readings("way")[0]!.device, rig.readings("way")[0]!.value, rig.readings("way")[0]!.unit], ["press-9", 3.25, "mm"]);
  for (const tag of ["none", "elsewhere"]) assert.deepEqual([rig.readings(tag)[0]!.value, rig.readings(tag)[0]!.quality, rig.readings(tag)[0]!.code], [null, "bad", "BadNodeIdUnknown"]);
  setFast(42, new Date(), StatusCodes.UncertainLastUsableValue);
  await until("the quality has come", () => rig.readings("fast").at(-1)?.quality === "uncertain");
  assert.deepEqual([rig.readings("fast").at(-1)!.value, rig.readings("fast").at(-1)!.code], [42, "UncertainLastUsableValue"]);
  const presence = rig.messages.filter(({ topic }) => topic === "event/press-9/presence").map(({ payload, retain }) => [(payload as { presence: string }).presence, retain]);
  assert.deepEqual(presence, [["online", true]]);
  assert.equal(rig.gateway.metric('busbar_opcua_nodes{state="good"}'), 3);
  assert.equal(rig.gateway.metric('busbar_opcua_nodes{state="bad"}'), 2);
  fixture.press.setTemperature(20);
});

test("opcua publishes everything below a folder, named by its levels", async () => {
  await using rig = await openRig({ url: fixture.url, nodes: [{ ...temperature, tag: "heat", device: "press-1" }], folders: [{ under: "/Objects/Plant", device: "{1}", tag: "{2..}", include: ["press-1/*"], exclude: ["**/temperature-alarm*", "**/status"] }] }, folder);
  await until("a structure has come", () => rig.readings("recipe").length > 0 && rig.readings("doubles").length > 0);
  const tags = new Set(rig.readings().map(({ tag }) => tag));
  assert.ok(tags.has("heat") && tags.has("temperature") && tags.has("matrix") && !tags.has("status"));
  assert.ok(rig.readings().every(({ device }) => device === "press-1"));
  assert.deepEqual(rig.readings("doubles")[0]!.value, [1, 2.5, 3]);
  assert.deepEqual(rig.readings("matrix")[0]!.value, [[1, 2, 3], [4, 5, 6]]);
  assert.equal(rig.readings("uint64")[0]!.value, "18446744073709551615");
  const recipe = rig.readings("recipe")[0]!.value as Record<string, unknown>;
  assert.deepEqual([recipe["Name"], recipe["Origin"], recipe["State"]], ["oil", { X: 1, Y: 2 }, "Pressing"]);
});

test("opcua gets every value that the server sampled between two reports, in order", async () => {
  await using rig = await openRig({ url: fixture.url, subscription: { publish: 300, keepAlive: 900, lifetime: 30_000 }, sampling: 0, nodes: [{ ...fast, queue: 100 }] }, folder);
  await until("the first has come", () => rig.readings("fast").length > 0);
  const start = Date.now() - 1_000;
  const wanted = Array.from({ length: 50 }, (_, at) => at / 2);
  for (const [at, value] of wanted.entries()) setFast(value, new Date(start + at * 10));
  await until("the last has come", () => rig.readings("fast").at(-1)?.value === 24.5);
  const got = rig.readings("fast").slice(-50);
  assert.deepEqual(got.map(({ value }) => value), wanted);
  assert.deepEqual(got.map(({ timestamp }) => timestamp), wanted.map((_, at) => start + at * 10));
});

test("opcua leaves changes out that are within the deadband, and says where the queue was too short", async () => {
  await using rig = await openRig({ url: fixture.url, subscription: { publish: 200, keepAlive: 600, lifetime: 30_000 }, sampling: 0, nodes: [{ ...fast, deadband: "10%", queue: 2, history: false }] }, folder);
  setFast(20);
  await until("the first has come", () => rig.readings("fast").length > 0);
  for (const value of [25, 31, 33, 50, 20]) setFast(value); // EURange 0-120: 12 is the least that counts
  await until("20 has come again", () => rig.readings("fast").length > 1 && rig.readings("fast").at(-1)!.value === 20);
  const got = rig.readings("fast").slice(1);
  assert.deepEqual(got.map(({ value, code }) => [value, code]), [[50, "Good#Overflow"], [20, undefined]]);
  assert.equal(rig.gateway.metric("busbar_opcua_overflows_total"), 1);
});

test("opcua reads polled nodes in bulk at their interval", async () => {
  await using rig = await openRig({ url: fixture.url, qos: 1, nodes: [{ node: "i=2258", tag: "time", poll: 50 }, { ...temperature, poll: 50 }, { node: "ns=1;s=nothing", tag: "none", poll: 50 }] }, folder);
  await until("six rounds are done", () => rig.readings("time").length >= 6);
  assert.ok(rig.readings("temperature").length >= 5);
  const times = rig.readings("time").map(({ value }) => Date.parse(value as string));
  assert.ok(times.every((time, at) => at === 0 || time > times[at - 1]!));
  assert.deepEqual(rig.readings("none").map(({ code }) => code), ["BadNodeIdUnknown"]);
  assert.equal(rig.messages.find(({ topic }) => topic === "status/subject")!.qos, 1);
});

test("opcua finds a node that was not there, at the next look", async () => {
  await using rig = await openRig({ url: fixture.url, refresh: 50, nodes: [{ node: `nsu=${plantNamespace};s=press-1.later`, tag: "later" }], folders: [{ under: "/Objects/Plant/press-1", include: ["added"] }] }, folder);
  await until("it is not there", () => rig.readings("later").length === 1);
  const space = fixture.server.engine.addressSpace!;
  const namespace = space.getNamespace(plantNamespace);
  for (const name of ["later", "added"]) namespace.addVariable({ componentOf: fixture.press.object, browseName: name, nodeId: `s=press-1.${name}`, dataType: "Double", value: { dataType: DataType.Double, value: 7 } });
  await until("both are there", () => rig.readings("later").at(-1)?.value === 7 && rig.readings("added").at(-1)?.value === 7);
});

test("opcua tells of a clock that is wrong, and keeps such times from the readings", async () => {
  await using rig = await openRig({ url: fixture.url, clockSkew: 10_000, sampling: 0, nodes: [fast] }, folder);
  await until("the first has come", () => rig.readings("fast").length > 0);
  setFast(30, new Date(Date.now() + 3_600_000));
  const wrong = await rig.event("clock");
  assert.equal(wrong["state"], "wrong");
  assert.ok((wrong["offset"] as number) > 3_500_000);
  const reading = rig.readings("fast").at(-1)!;
  assert.deepEqual([reading.value, reading.quality, reading.code], [30, "uncertain", "BadInvalidTimestamp"]);
  assert.ok(reading.timestamp <= Date.now());
  assert.equal((await rig.event("clock", 2))["state"], "right");
});
