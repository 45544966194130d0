import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Envelope } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import { cutConnections, openRig, temporaryFolder, type ClientRig } from "./testing/client-rig.ts";
import { openOpcuaFixture, plantNamespace, type OpcuaFixture } from "./testing/opcua-fixture.ts";

const folder = temporaryFolder();
let fixture: OpcuaFixture;
before(async () => void (fixture = await openOpcuaFixture()));
after(() => fixture.close());

const press = (name: string): string => `nsu=${plantNamespace};s=press-1.${name}`;
const config = () => ({
  url: fixture.url,
  device: "press-1",
  nodes: [{ node: press("double"), tag: "speed" }, { node: press("read-only"), tag: "fixed" }, { node: press("temperature"), tag: "temperature" }],
});

/** Sends a command and waits for its answer. */
async function ask({ gateway }: ClientRig, payload: unknown, msgid: string): Promise<{ readonly status: string; readonly result: { readonly code?: string } }> {
  const signal = AbortSignal.timeout(20_000);
  const answer: Envelope = await gateway.bus.request({ type: "command", from: "anna", to: "press-1", msgid, payload, qos: 1 }, { signal });
  return answer.payload as { readonly status: string; readonly result: { readonly code?: string } };
}

const up = (rig: ClientRig): Promise<unknown> => until("it is connected", () => rig.gateway.metric("busbar_opcua_connected") === 1);

test("opcua refuses every command unless allowWrites is true", async () => {
  await using rig = await openRig(config(), folder);
  await up(rig);
  const before: unknown = fixture.press.variables["double"]!.readValue().value.value;
  const { status, result } = await ask(rig, { set: { speed: 99 } }, "w0");
  assert.deepEqual([status, result.code], ["error", "FORBIDDEN"]);
  assert.equal(fixture.press.variables["double"]!.readValue().value.value, before);
  assert.equal(rig.gateway.metric('busbar_writes_refused_total{instance="subject"}'), 1);
});

test("opcua writes set points, calls methods and acknowledges alarms, and answers each", async () => {
  await using rig = await openRig({
    ...config(), allowWrites: true, alarms: { sources: ["i=2253"] },
    methods: [{ name: "scale", object: press("").slice(0, -1), method: press("scale") }, { name: "gone", object: "ns=9;s=x", method: "ns=9;s=y" }],
  }, folder);
  await up(rig);
  assert.deepEqual(await ask(rig, { set: { speed: 12.5 } }, "w1"), { msgid: "w1", status: "ok", result: { speed: 12.5 } });
  await until("the new value is published", () => rig.readings("speed").at(-1)?.value === 12.5);
  for (const [payload, code, msgid] of [
    [{ set: { speed: "fast" } }, "WRONG_TYPE", "w2"], [{ set: { nothing: 1 } }, "NO_SUCH_TAG", "w3"], [{ set: { fixed: 1 } }, "READ_ONLY", "w4"], [{ set: { temperature: 500 } }, "OUT_OF_RANGE", "w5"],
    [{ speed: 1 }, "BAD_COMMAND", "w6"], [{ call: "gone" }, "NO_SUCH_METHOD", "w7"], [{ acknowledge: "press-1/none" }, "NO_SUCH_ALARM", "w8"],
  ] as const) assert.deepEqual([(await ask(rig, payload, msgid)).result.code, msgid], [code, msgid]);
  assert.deepEqual(await ask(rig, { call: "scale", arguments: { value: 2.5, factor: 4 } }, "w9"), { msgid: "w9", status: "ok", result: { result: 10 } });

  fixture.press.setTemperature(85);
  const alarms = (): readonly Record<string, unknown>[] => rig.messages.filter(({ topic }) => topic === "event/press-1").map(({ payload }) => payload as Record<string, unknown>);
  await until("the alarm is raised", () => alarms().some(({ event, state }) => event === "alarm" && state === "raised"), { show: () => [alarms(), rig.gateway.log.filter(({ level }) => level === "warn")] });
  const raised = alarms().find(({ state }) => state === "raised")!;
  assert.deepEqual([raised["source"], raised["severity"] !== undefined], ["press-1", true]);
  assert.equal((await ask(rig, { acknowledge: raised["alarm"], comment: "seen" }, "w10")).status, "ok");
  await until("it is acknowledged", () => alarms().some(({ state }) => state === "acknowledged"));

  cutConnections(fixture);
  await rig.event("connection", 2);
  fixture.press.setTemperature(20);
  await until("what has ended meanwhile is told", () => alarms().some(({ state }) => state === "cleared"), { show: alarms });
  assert.equal(alarms().filter(({ state }) => state === "raised").length, 1, "what the server tells again is no news");
});

test("opcua answers a command when there is no connection", async () => {
  await using rig = await openRig({ ...config(), url: "opc.tcp://127.0.0.1:1", allowWrites: true }, folder);
  const { status, result } = await ask(rig, { set: { speed: 1 } }, "w20");
  assert.deepEqual([status, result.code], ["error", "UNAVAILABLE"]);
});
