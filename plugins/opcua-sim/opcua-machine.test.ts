import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until } from "@busbar/core/testkit";
import { AttributeIds, type ClientSession, constructEventFilter, DataType, NodeId, OPCUACertificateManager, OPCUAClient, ReadRawModifiedDetails, HistoryReadRequest, type HistoryData, resolveNodeId, setErrorLogger, setWarningLogger, StatusCodes, TimestampsToReturn, type Variant } from "node-opcua";
import { openSimulatedPlant, type SimulatedPlant } from "./simulated-plant.ts";

/*
 * One plant and one session for the file: what a machine has over OPC UA besides its tags.
 */
setErrorLogger(() => {});
setWarningLogger(() => {});
const folder = mkdtempSync(join(tmpdir(), "busbar-opcua-machine-"));
const setpoint = (value: number | boolean) => ({ kind: "setpoint" as const, value });
let plant: SimulatedPlant;
let client: OPCUAClient;
let session: ClientSession;

before(async () => {
  const certificates = new OPCUACertificateManager({ rootFolder: join(folder, "client"), automaticallyAcceptUnknownCertificate: true, disableFileWatchers: true });
  await certificates.initialize();
  plant = await openSimulatedPlant({
    period: 50,
    allowWrites: true,
    modbus: { enabled: false },
    opcua: { port: 0, pki: join(folder, "pki"), history: 500 },
    plant: {
      machines: [
        {
          id: "press-1",
          tags: [
            { name: "running", kind: "bool", signal: setpoint(false), alarm: { when: true } },
            { name: "force", unit: "kN", signal: setpoint(10), alarm: { high: 50, highHigh: 80, hysteresis: 5 } },
            { name: "parts", kind: "int", range: [0, 1_000_000], signal: { kind: "counter", rate: 1_000 } },
            { name: "x", signal: setpoint(1) },
            { name: "mode", kind: "string", signal: { kind: "constant", value: "auto" } },
          ],
          methods: [
            { name: "start", title: "Start it", set: { running: true }, arguments: [{ name: "with-force", tag: "force" }] },
            { name: "reset-parts", reset: ["parts"] },
          ],
          arrays: [{ name: "numbers", of: ["force", "x"] }],
          structures: [{ name: "state", fields: { Running: "running", force: "force", parts: "parts", Mode: "mode" } }],
        },
      ],
    },
  });
  plant.start();
  client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0 }, clientCertificateManager: certificates, transportTimeout: 120_000, keepSessionAlive: false });
  await client.connect(plant.opcua!.url);
  session = await client.createSession();
});

after(async () => {
  await client.disconnect(); // with the session
  await plant.close();
  rmSync(folder, { recursive: true, force: true });
});

const id = (name: string): string => `ns=1;s=press-1.${name}`;
const read = async (name: string): Promise<any> => (await session.read({ nodeId: id(name), attributeId: AttributeIds.Value })).value.value;
const valueOf = (name: string): unknown => plant.simulation.value(plant.simulation.machine("press-1")!.tags.find((tag) => tag.name === name)!);
const set = (name: string, value: number | boolean): void => plant.simulation.write(plant.simulation.machine("press-1")!.tags.find((tag) => tag.name === name)!, value, plant.simulation.now);
const call = (method: string, ...inputs: { dataType: DataType; value: unknown }[]) => session.call({ objectId: "ns=1;s=press-1", methodId: id(method), inputArguments: inputs as never });

test("a method of a machine is called with its arguments, and says what its counters stood at", async () => {
  const definition = await session.getArgumentDefinition(id("start"));
  assert.deepEqual(definition.inputArguments.map((argument) => [argument.name, argument.dataType.value]), [["with-force", DataType.Double]]);
  const started = await call("start", { dataType: DataType.Double, value: 42 });
  assert.equal(started.statusCode, StatusCodes.Good);
  assert.deepEqual([valueOf("running"), valueOf("force")], [true, 42]);
  const reset = await call("reset-parts");
  assert.equal(reset.statusCode, StatusCodes.Good);
  assert.ok((reset.outputArguments![0] as Variant).value > 0);
  assert.ok((valueOf("parts") as number) < (reset.outputArguments![0] as Variant).value + 1_000);
  assert.equal((await call("start", { dataType: DataType.Double, value: 4_200 })).statusCode, StatusCodes.BadOutOfRange);
  assert.equal(valueOf("force"), 42);
  set("running", false);
});

test("an array and a structure show their tags, and the worst status of them", async () => {
  set("force", 12);
  await until("the array shows it", async () => (await read("numbers"))[0] === 12);
  assert.deepEqual([...(await read("numbers"))], [12, 1]);
  const state = await read("state");
  assert.deepEqual([state.running, state.force, state.mode, typeof state.parts], [false, 12, "auto", "number"]);
  plant.faults.inject({ kind: "bad-quality", tag: "x", code: "BadOutOfService" });
  await until("the array is bad", async () => (await session.read({ nodeId: id("numbers") })).statusCode === StatusCodes.BadOutOfService);
  assert.equal((await session.read({ nodeId: id("state") })).statusCode, StatusCodes.Good);
  plant.faults.clear();
});

/** The values of a tag from one time to another, newest first where the times run backwards, and the point to go on from. */
async function history(name: string, query: { readonly from?: Date; readonly to?: Date; readonly limit?: number; readonly continuationPoint?: Buffer }): Promise<{ readonly values: readonly [unknown, number, string][]; readonly continuationPoint: Buffer | null }> {
  const minimum = new Date(Date.UTC(1601, 0, 1));
  const details = new ReadRawModifiedDetails({ isReadModified: false, startTime: query.from ?? minimum, endTime: query.to ?? minimum, numValuesPerNode: query.limit ?? 0, returnBounds: false });
  const request = new HistoryReadRequest({ historyReadDetails: details, timestampsToReturn: TimestampsToReturn.Both, releaseContinuationPoints: false, nodesToRead: [{ nodeId: resolveNodeId(id(name)), continuationPoint: query.continuationPoint ?? (null as never) }] });
  const response = await session.historyRead(request);
  const [result] = (response as unknown as { results: { statusCode: { name: string }; historyData: HistoryData | null; continuationPoint: Buffer | null }[] }).results;
  assert.ok(result!.statusCode.name.startsWith("Good"), result!.statusCode.name);
  return { values: (result!.historyData?.dataValues ?? []).map((data) => [data.value.value, data.sourceTimestamp!.getTime(), data.statusCode.name]), continuationPoint: result!.continuationPoint };
}

test("history is read in pages in both directions", async () => {
  const from = new Date(plant.simulation.now + 1);
  for (const value of [21, 22, 23, 24]) {
    const at = plant.simulation.now;
    await until("a step passes", () => plant.simulation.now > at);
    set("force", value);
  }
  const to = new Date(plant.simulation.now);
  assert.deepEqual((await history("force", { from, to })).values.map(([value, , status]) => [value, status]), [[21, "Good"], [22, "Good"], [23, "Good"], [24, "Good"]]);
  assert.deepEqual((await history("force", { from: to, to: from })).values.map(([value]) => value), [24, 23, 22, 21]);
  assert.deepEqual((await history("force", { to, limit: 2 })).values.map(([value]) => value), [24, 23]);
  const page = await history("force", { from, to, limit: 3 });
  assert.deepEqual(page.values.map(([value]) => value), [21, 22, 23]);
  const rest = await history("force", { from, to, limit: 3, continuationPoint: page.continuationPoint! });
  assert.deepEqual(rest.values.map(([value]) => value), [24]);
  const times = (await history("parts", { from })).values.map(([, time]) => time);
  assert.ok(times.length > 2 && times.every((time, k) => k === 0 || time > times[k - 1]!));
});

test("an alarm is an event of its machine and of the server, with hysteresis and severity, and is acknowledged", async () => {
  set("force", 10);
  const events: Record<string, any>[] = [];
  const names = ["EventId", "ConditionName", "SourceName", "Severity", "Message", "ActiveState.Id", "AckedState.Id", "Retain", "LimitState.CurrentState"];
  const subscription = await session.createSubscription2({ requestedPublishingInterval: 50, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10, publishingEnabled: true });
  const item = await subscription.monitor({ nodeId: "i=2253", attributeId: AttributeIds.EventNotifier }, { samplingInterval: 0, queueSize: 100, filter: constructEventFilter([...names, "ConditionId"]) }, TimestampsToReturn.Both);
  item.on("changed", (fields: unknown) => void events.push(Object.fromEntries((fields as Variant[]).map((variant, k) => [[...names, "ConditionId"][k]!, variant.value?.text ?? variant.value]))));
  const next = async (wanted: (event: Record<string, any>) => boolean, what: string): Promise<Record<string, any>> => (await until(what, () => events.find(wanted), { show: () => events })) as Record<string, any>;
  set("force", 60);
  const high = await next((event) => event["LimitState.CurrentState"] === "High", "the alarm is raised");
  assert.deepEqual([high["ConditionName"], high["SourceName"], high["Severity"], high["ActiveState.Id"], high["AckedState.Id"], high["Retain"], high["Message"]], ["force", "force", 500, true, false, true, "force is 60 kN: High alarm"]);
  assert.equal((await session.acknowledgeCondition(NodeId.resolveNodeId(`${id("force")}-alarm`), high["EventId"], "seen")).name, "Good");
  await next((event) => event["ConditionName"] === "force" && event["AckedState.Id"] === true && event["ActiveState.Id"] === true, "it is acknowledged");
  set("force", 85);
  await next((event) => event["LimitState.CurrentState"] === "HighHigh" && event["Severity"] === 800, "it is graver");
  set("force", 46);
  set("force", 45.5);
  set("force", 20);
  const over = await next((event) => event["ConditionName"] === "force" && event["ActiveState.Id"] === false, "it is over");
  assert.equal(over["Retain"], false);
  assert.match(over["Message"], /^force is (46|45\.5|20) kN: no alarm$/);
  set("running", true);
  const state = await next((event) => event["ConditionName"] === "running" && event["ActiveState.Id"] === true, "the state alarm is raised");
  assert.equal(state["Severity"], 600);
  await subscription.terminate();
});
