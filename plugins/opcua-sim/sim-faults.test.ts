import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Envelope } from "@busbar/core";
import { fakeClock, testPlugin } from "@busbar/core/testkit";
import * as v from "valibot";
import { faultSchema } from "./fault.ts";
import opcuaSim from "./mod.ts";

const plant = {
  machines: [
    {
      id: "tank",
      tags: [
        { name: "level", unit: "%", signal: { kind: "sine", period: 4_000 } },
        { name: "target", signal: { kind: "setpoint", value: 50 } },
      ],
    },
    { id: "pump", tags: [{ name: "flow", signal: { kind: "constant", value: 7 } }] },
  ],
};

async function start(t: TestContext, more: Record<string, unknown> = {}) {
  const clock = fakeClock();
  const gateway = await testPlugin(opcuaSim, { allowWrites: true, opcua: { enabled: false }, modbus: { enabled: false }, plant, ...more }, { clock });
  t.after(() => gateway.stop());
  const seen: Envelope[] = [];
  gateway.bus.subscribe("#", (message) => void seen.push(message));
  const ask = async (to: string, payload: unknown): Promise<any> => ((await gateway.bus.request({ type: "command", to, from: "console", payload }, { signal: AbortSignal.timeout(20_000) })).payload as { result: unknown }).result;
  const readings = (id: string): any[] => (seen.findLast((message) => message.topic === `status/${id}`)!.payload as { values: any[] }).values;
  const events = () => seen.flatMap(({ topic, qos, payload }) => {
    const { event, kind, state } = (payload ?? {}) as Readonly<Record<string, unknown>>;
    return event === "fault" ? [[topic, qos, kind, state]] : [];
  });
  return { clock, gateway, ask, readings, events };
}

test("opcuaSim takes a fault by command, shows it on the bus, tells it as an event and lists it", async (t) => {
  const { clock, ask, readings, events, gateway } = await start(t);
  const answer = await ask("subject", { fault: { kind: "bad-quality", machine: "tank", tag: "level", code: "BadSensorFailure", for: "10s" } });
  assert.equal(answer.fault, "f1");
  assert.deepEqual(answer.faults, [{ id: "f1", kind: "bad-quality", machine: "tank", tag: "level", code: "BadSensorFailure", for: 10_000, since: clock.now(), hits: 0 }]);
  await clock.advance(1_000);
  assert.deepEqual(readings("tank").map(({ quality, code }) => [quality, code]), [["bad", "BadSensorFailure"], ["good", undefined]]);
  assert.deepEqual(readings("pump").map(({ quality }) => quality), ["good"]);
  assert.equal(gateway.metric("busbar_opcua_sim_faults"), 1);
  assert.equal((await ask("tank", { faults: true })).faults.length, 1);
  assert.equal((await ask("pump", { faults: true })).faults.length, 0);
  await clock.advance(9_000);
  assert.deepEqual(readings("tank").map(({ quality }) => quality), ["good", "good"]);
  assert.deepEqual(events(), [["event/tank", 1, "bad-quality", "began"], ["event/tank", 1, "bad-quality", "ended"]]);
  assert.equal(gateway.metric('busbar_opcua_sim_faults_total{kind="bad-quality"}'), 1);
});

test("opcuaSim holds a stuck value, and a stuck set point takes a write without moving", async (t) => {
  const { clock, ask, readings } = await start(t);
  await clock.advance(1_000);
  await ask("tank", { fault: { kind: "stuck" } });
  assert.deepEqual(await ask("tank", { set: { target: 80 } }), { target: 50 });
  await clock.advance(1_000);
  assert.deepEqual(readings("tank").map(({ value }) => value), [100, 50]);
  assert.deepEqual(await ask("tank", { clear: true }), { cleared: 1, faults: [] });
  await clock.advance(2_000);
  assert.deepEqual(readings("tank").map(({ value }) => value), [50, 80]);
});

test("opcuaSim gives readings the time of a clock that has jumped", async (t) => {
  const { clock, ask, readings } = await start(t);
  await ask("subject", { fault: { kind: "clock-jump", machine: "tank", by: "-1h" } });
  await ask("subject", { fault: { kind: "clock-jump", tag: "level", by: "10m" } });
  await clock.advance(1_000);
  assert.deepEqual(readings("tank").map(({ timestamp }) => timestamp - clock.now()), [-3_000_000, -3_600_000]);
  assert.deepEqual(readings("pump").map(({ timestamp }) => timestamp), [undefined]);
  assert.equal((await ask("subject", { clear: "f1" })).cleared, 1);
  await clock.advance(1_000);
  assert.deepEqual(readings("tank").map(({ timestamp }) => timestamp === undefined ? 0 : timestamp - clock.now()), [600_000, 0]);
});

test("opcuaSim plays the script of faults of its config", async (t) => {
  const { clock, events } = await start(t, { faults: [{ kind: "stuck", machine: "pump", at: "10s", every: "1m", for: "5s" }, { kind: "no-answer", protocol: "modbus", at: "30s", for: "1s" }] });
  await clock.advance(90_000);
  const ours = events().map(([topic, , kind, state]) => `${topic} ${kind} ${state}`);
  assert.deepEqual(ours, ["event/pump stuck began", "event/pump stuck ended", "event/subject no-answer began", "event/subject no-answer ended", "event/pump stuck began", "event/pump stuck ended"]);
});

test("opcuaSim refuses a fault that it does not know, and any while allowWrites is false", async (t) => {
  const { ask } = await start(t);
  const code = async (payload: unknown, to = "subject"): Promise<[string, string]> => {
    const { code, message } = await ask(to, payload);
    return [code, message];
  };
  const [bad, why] = await code({ fault: { kind: "stuck", machin: "tank" } });
  assert.equal(bad, "BAD_COMMAND");
  assert.match(why, /^Cannot inject the fault: machin: /);
  assert.equal((await code({ fault: { kind: "restart" } }, "tank"))[0], "BAD_COMMAND", "one machine has no server of its own");
  for (const payload of [{}, "x", { fault: 1 }, { fault: { kind: "gremlin" } }, { clear: 5 }, { requests: 1 }, { faults: true, clear: true }]) assert.equal((await code(payload))[0], "BAD_COMMAND", JSON.stringify(payload));
  const shut = await start(t, { allowWrites: false });
  assert.equal((await shut.ask("subject", { fault: { kind: "stuck" } })).code, "FORBIDDEN");
  assert.deepEqual(await shut.ask("subject", { faults: true }), { faults: [] });
  assert.deepEqual(await shut.ask("subject", { requests: true }), { total: 0, requests: [] });
});

test("faultSchema takes durations with a sign and names every field that it does not know", () => {
  assert.deepEqual([v.parse(faultSchema, { kind: "clock-jump", by: "-90s" }), v.parse(faultSchema, { kind: "clock-jump", by: 5 })], [{ kind: "clock-jump", by: -90_000 }, { kind: "clock-jump", by: 5 }]);
  for (const wrong of [{ kind: "clock-jump", by: "soon" }, { kind: "clock-jump" }, { kind: "bad-quality", code: "Good" }, { kind: "exception", unit: 1, code: 0 }, { kind: "slow", addresses: [5, 1] }, { kind: "refuse", count: 3 }]) {
    assert.equal(v.safeParse(faultSchema, wrong).success, false, JSON.stringify(wrong));
  }
});

test("opcuaSim with bus: false takes faults all the same and tells them in its own name", async (t) => {
  const { clock, ask, events } = await start(t, { bus: false });
  await ask("subject", { fault: { kind: "stuck", machine: "tank", for: "1s" } });
  await clock.advance(1_000);
  assert.deepEqual(events().map(([topic, , , state]) => [topic, state]), [["event/subject", "began"], ["event/subject", "ended"]]);
});
