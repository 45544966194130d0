import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Envelope } from "@busbar/core";
import { fakeClock, openStep, testPlugin, type StepUnderTest } from "@busbar/core/testkit";
import * as v from "valibot";
import { alarmsStep } from "./alarms-step.ts";
import { edge } from "./plugin.ts";

type Payload = Record<string, unknown>;
const payloadOf = (message: Envelope | undefined): Payload => message?.payload as Payload;
/** What was told: state, condition, and seconds since the first sample. */
const told = (messages: readonly Envelope[], start = 0): unknown[] => messages.map((one) => [payloadOf(one)["alarm"], payloadOf(one)["state"], payloadOf(one)["condition"], one.timestamp - start]);

/** A step in a real gateway, whose clock and bus it has. */
async function start(t: TestContext, config: Record<string, unknown>) {
  const clock = fakeClock();
  const gateway = await testPlugin(edge, {}, { clock });
  let step = openStep(alarmsStep, config, { clock, bus: gateway.bus });
  t.after(async () => {
    step.close();
    await gateway.stop();
  });
  const origin = clock.now();
  const status = (): Payload => {
    let last: unknown;
    gateway.bus.subscribe("status/owner/route", (message) => void (last = message.payload), { retained: true }).close();
    return last as Payload;
  };
  return {
    clock, gateway, origin,
    step: (): StepUnderTest => step,
    /** Readings of `boiler-1`, so many ms after the start. */
    send: (at: number, values: Record<string, unknown> | object[]) => step.send({ from: "boiler-1", timestamp: origin + at, payload: { values: Array.isArray(values) ? values : Object.entries(values).map(([tag, value]) => ({ tag, value, unit: "°C" })) } }),
    restart: (next?: unknown) => void (step = step.restart(next)),
    async command(payload: unknown, from = "alice") {
      const answer = await gateway.bus.request({ type: "command", from, to: "owner/route", payload, qos: 1 }, { signal: AbortSignal.timeout(20_000) });
      const { status, result } = answer.payload as { status: string; result: Payload };
      return [status, result] as const;
    },
    status,
    /** What the status counts, but for what there is none of. */
    counts: (): Payload => Object.fromEntries((status()["values"] as { tag: string; value: number }[]).filter(({ value }) => value > 0).map(({ tag, value }) => [tag, value])),
  };
}

const boiler = { tags: { temperature: { highHigh: { limit: 95, severity: 900 }, high: 90, low: 10, hysteresis: 2 } } };

test("alarms emits the events of limits in the shape that opcua-sim has, and more", async (t) => {
  const { send, origin } = await start(t, boiler);
  assert.deepEqual(send(0, { temperature: 50, pressure: 1000 }), []);
  const [raised] = send(1000, { temperature: 92 });
  assert.deepEqual([raised!.type, raised!.from, raised!.to, raised!.qos, raised!.retain, raised!.timestamp - origin], ["event", "boiler-1", "server", 1, false, 1000]);
  assert.deepEqual(raised!.payload, {
    event: "alarm", alarm: "temperature/high", state: "raised", id: "boiler-1/temperature/high", condition: "unacknowledged", active: true, tag: "temperature", level: "high", value: 92, limit: 90,
    unit: "°C", severity: 500, message: "temperature is 92 °C: high alarm at 90", commands: "owner/route",
  });
  assert.deepEqual(told(send(2000, { temperature: 96 }), origin), [["temperature/highHigh", "raised", "unacknowledged", 2000]]);
  assert.deepEqual(told(send(3000, { temperature: 93.5 }), origin), [], "within the hysteresis of both");
  assert.deepEqual(told(send(4000, { temperature: 92.9 }), origin), [["temperature/highHigh", "cleared", "returned", 4000]]);
  assert.deepEqual(told(send(5000, { temperature: 5 }), origin), [["temperature/low", "raised", "unacknowledged", 5000], ["temperature/high", "cleared", "returned", 5000]]);
});

test("alarms takes both shapes of readings, states of any kind, and bad quality", async (t) => {
  const { step, send, origin } = await start(t, { tags: { burner: { is: "fault", message: "{id}: burner in {value}" }, on: { is: false }, flow: { bad: true, low: 1 } } });
  const [fault] = step().send({ from: "boiler-1", timestamp: origin, payload: { burner: "fault", on: true } });
  assert.deepEqual([payloadOf(fault)["alarm"], payloadOf(fault)["message"], payloadOf(fault)["severity"]], ["burner/state", "boiler-1/burner/state: burner in fault", 600]);
  assert.deepEqual(told(send(1, { on: false, burner: "idle" }), origin), [["on/state", "raised", "unacknowledged", 1], ["burner/state", "cleared", "returned", 1]]);
  const [bad, ...more] = send(2, [{ tag: "flow", value: 0, quality: "bad", code: "BadNoCommunication" }]);
  assert.deepEqual([payloadOf(bad)["alarm"], payloadOf(bad)["message"]], ["flow/bad", "flow quality is bad (BadNoCommunication): quality alarm"]);
  assert.deepEqual(more, [], "a bad value passes no limit");
  assert.deepEqual(told(send(3, [{ tag: "flow", value: null, quality: "bad" }])), []);
  assert.deepEqual(told(send(4, { flow: 0.5 }), origin), [["flow/low", "raised", "unacknowledged", 4], ["flow/bad", "cleared", "returned", 4]]);
});

test("alarms lets delays run by the time of the source, and by the clock when no sample comes: the event is the same", async (t) => {
  const config = { tags: { temperature: { high: 90, onDelay: "5s", offDelay: "3s" } } };
  const bySample = await start(t, config);
  bySample.send(0, { temperature: 95 });
  assert.deepEqual(bySample.send(4999, { temperature: 97 }), []);
  const [one] = bySample.send(6000, { temperature: 99 });
  const byClock = await start(t, config);
  byClock.send(0, { temperature: 95 });
  byClock.send(4999, { temperature: 97 });
  assert.equal(byClock.step().emitted.length, 0);
  await byClock.clock.advance(1);
  const [other] = byClock.step().emitted;
  assert.deepEqual([one!.timestamp - bySample.origin, other!.timestamp - byClock.origin], [5000, 5000]);
  assert.deepEqual([one!.payload, one!.msgid], [other!.payload, other!.msgid]);
  assert.equal(payloadOf(one)["value"], 97, "the value that held when the delay ended");

  byClock.send(7000, { temperature: 20 });
  await byClock.clock.advance(2999);
  assert.equal(byClock.step().emitted.length, 1);
  await byClock.clock.advance(1);
  assert.deepEqual(told(byClock.step().emitted.slice(1), byClock.origin), [["temperature/high", "cleared", "returned", 10_000]]);
});

test("alarms ignores samples that are older than the newest of their series, and survives a clock that jumps", async (t) => {
  const { send, step, clock } = await start(t, boiler);
  send(10_000, { temperature: 50 });
  assert.deepEqual(send(9999, { temperature: 99 }), []);
  assert.equal(step().counted("late"), 1);
  send(365 * 86_400_000, { temperature: 50 });
  await clock.advance(61_000);
  assert.deepEqual(told(send(61_000, { temperature: 99 })).length, 2, "a source whose clock was a year ahead for a moment is watched again after a minute");
});

test("alarms is spoken to by commands: acknowledge, and who it was", async (t) => {
  const { send, step, command, clock, gateway } = await start(t, boiler);
  send(0, { temperature: 96 });
  await clock.advance(1000);
  const acks: Envelope[] = [];
  gateway.bus.subscribe("ack/alice", (message) => void acks.push(message));
  assert.deepEqual(await command({ acknowledge: "boiler-1/temperature/high", comment: "on my way" }), ["ok", { changed: 1, alarms: [{ id: "boiler-1/temperature/high", condition: "acknowledged" }] }]);
  assert.deepEqual([acks[0]!.from, acks[0]!.qos], ["owner/route", 1]);
  const event = step().emitted.at(-1)!;
  assert.deepEqual([payloadOf(event)["state"], payloadOf(event)["by"], payloadOf(event)["comment"], event.timestamp], ["acknowledged", "alice", "on my way", clock.now()]);
  assert.deepEqual(await command({ acknowledge: "boiler-1/temperature/high" }), ["ok", { changed: 0, alarms: [] }]);
  assert.deepEqual((await command({ acknowledge: "boiler-1/#" }))[1]["changed"], 1);
  assert.equal(payloadOf(send(1, { temperature: 50 })[0])["condition"], "normal");
});

test("alarms shelves for a time, once, and not for longer than it may", async (t) => {
  const { send, step, command, clock, origin } = await start(t, { ...boiler, shelveLimit: "1h" });
  send(0, { temperature: 92 });
  assert.equal((await command({ shelve: "boiler-1/temperature/high", for: "30m" }))[0], "ok");
  assert.equal(payloadOf(step().emitted.at(-1))["until"], clock.now() + 30 * 60_000);
  assert.deepEqual(send(1000, { temperature: 50 }), []);
  assert.deepEqual(send(2000, { temperature: 93 }), []);
  await clock.advance(30 * 60_000);
  assert.deepEqual(told(step().emitted.slice(2), origin), [["temperature/high", "unshelved", "unacknowledged", 30 * 60_000], ["temperature/high", "raised", "unacknowledged", 30 * 60_000]]);
  await command({ shelve: "boiler-1/temperature/high", once: true });
  assert.deepEqual(told(send(31 * 60_000, { temperature: 50 })).map((one) => (one as unknown[])[1]), ["unshelved"]);
  assert.deepEqual(await command({ shelve: "boiler-1/temperature/low", for: "2h" }), ["error", { code: "OUT_OF_RANGE", message: "Cannot shelve for 7200000 ms: at most 3600000 ms are allowed here" }]);
});

test("alarms answers what it cannot do, and does nothing of it", async (t) => {
  const { send, step, command } = await start(t, boiler);
  send(0, { temperature: 92 });
  const codes = async (payload: unknown) => ((await command(payload))[1] as { code: string }).code;
  assert.equal(await codes({ acknowledge: ["boiler-1/temperature/high", "boiler-2/temperature/high"] }), "NO_SUCH_ALARM");
  assert.equal(await codes({ shelve: "boiler-1/temperature/high" }), "BAD_COMMAND");
  assert.equal(await codes({ acknowledge: "a", reset: "b" }), "BAD_COMMAND");
  assert.equal(await codes({ acknowledge: "boiler-1/temperature/high", for: "1h" }), "BAD_COMMAND");
  assert.equal(await codes({ kill: "boiler-1" }), "BAD_COMMAND");
  assert.equal(await codes("acknowledge"), "BAD_COMMAND");
  assert.equal(step().emitted.length, 1);
});

test("alarms has what stands in a retained status, at most once a second", async (t) => {
  const { send, status, counts, command, clock, gateway } = await start(t, { ...boiler, list: 1 });
  await clock.advance(0);
  assert.deepEqual(status()["alarms"], []);
  let published = 0;
  gateway.bus.subscribe("status/owner/route", () => void published++);
  for (let at = 0; at < 50; at++) send(at, { temperature: at % 2 === 0 ? 96 : 50 });
  await clock.advance(2000);
  assert.equal(published, 1, "fifty changes in a moment");
  send(100, { temperature: 96 });
  await clock.advance(1000);
  assert.deepEqual(counts(), { active: 2, unacknowledged: 2, chattering: 2 });
  assert.equal((status()["alarms"] as Payload[])[0]!["id"], "boiler-1/temperature/highHigh");
  assert.equal(status()["more"], 1);
  await command({ shelve: "boiler-1/temperature/highHigh", for: "1h" });
  await command({ outOfService: "boiler-1/temperature/low" });
  await clock.advance(1000);
  assert.deepEqual(counts(), { active: 1, unacknowledged: 1, chattering: 2, shelved: 1, "out-of-service": 1 });
});

test("alarms suppresses by design while another tag of the same source says so", async (t) => {
  const { send, step, origin } = await start(t, { tags: { flow: { low: 5, suppress: { tag: "running", is: false } } } });
  const other = step().send({ from: "boiler-2", timestamp: origin, payload: { running: true, flow: 1 } });
  assert.equal(other.length, 1);
  send(0, { running: false });
  assert.deepEqual(send(1, { flow: 1 }), []);
  assert.deepEqual(told(send(2, { running: true }), origin), [["flow/low", "unsuppressed", "unacknowledged", 2], ["flow/low", "raised", "unacknowledged", 2]]);
  assert.deepEqual(told(send(3, { running: false }), origin), [["flow/low", "suppressed", "suppressed", 3]]);
});

test("alarms goes on after a restart as if there had been none, with other limits too", async (t) => {
  const { send, restart, step, command, clock, origin, counts } = await start(t, { tags: { temperature: { high: { limit: 90, onDelay: "10s" }, highHigh: 95, latch: true } } });
  send(0, { temperature: 96 });
  await command({ acknowledge: "boiler-1/temperature/highHigh" });
  await command({ shelve: "boiler-1/temperature/high", for: "20s" });
  restart();
  assert.equal(step().emitted.length, 0, "nothing is told anew");
  assert.deepEqual(send(-1, { temperature: 10 }), [], "an old sample is old after a restart as well");
  await clock.advance(20_000);
  assert.deepEqual(told(step().emitted, origin), [["temperature/high", "unshelved", "unacknowledged", 20_000], ["temperature/high", "raised", "unacknowledged", 20_000]], "the delay and the shelving ran on");
  assert.deepEqual(counts(), { active: 2, unacknowledged: 1 });
  restart({ tags: { temperature: { highHigh: 98 } } });
  assert.deepEqual(told(send(30_000, { temperature: 96 }), origin), [["temperature/highHigh", "cleared", "normal", 30_000]]);
  assert.equal(clock.timers > 0, true);
});

test("alarms never says the same msgid for two changes, and the same one for the same change again", async (t) => {
  const { send, step } = await start(t, { ...boiler, chattering: { count: 0 } });
  for (let at = 0; at < 20; at++) send(0, { temperature: at % 2 === 0 ? 96 : 50 });
  const first = step().emitted.map(({ msgid }) => msgid);
  assert.equal(new Set(first).size, 40);
  const again = await start(t, { ...boiler, chattering: { count: 0 } });
  for (let at = 0; at < 20; at++) again.send(0, { temperature: at % 2 === 0 ? 96 : 50 });
  assert.deepEqual(again.step().emitted.map(({ msgid }) => msgid), first);
});

test("alarms keeps what stands as long as it can when there are more series than it remembers", async (t) => {
  const { step, counts, clock, origin } = await start(t, { ...boiler, series: 10 });
  for (let at = 0; at < 40; at++) step().send({ from: `boiler-${at}`, timestamp: origin + at, payload: { temperature: at === 3 ? 92 : 50 } });
  await clock.advance(1000);
  assert.deepEqual(counts(), { active: 1, unacknowledged: 1 });
  assert.equal(step().counted("series-forgotten"), 30);
  for (let at = 0; at < 40; at++) step().send({ from: `boiler-${at}`, timestamp: origin + 100, payload: { temperature: 92 } });
  await clock.advance(1000);
  assert.equal(counts()["active"], 10);
  assert.ok(step().counted("alarm-forgotten") > 0);
  assert.equal(step().log.filter(({ level }) => level === "error").length > 0, true);
});

test("alarms refuses a config that cannot be meant", () => {
  for (const tag of [{}, { high: 10, low: 20 }, { high: 10, highHigh: 10 }, { hysteresis: 1 }, { high: "90" }, { high: 10, severity: 0 }, { high: 10, onDelay: -1 }, { hi: 10 }, { high: { severity: 5 } }]) {
    assert.equal(v.safeParse(alarmsStep.config, { tags: { temperature: tag } }).success, false, JSON.stringify(tag));
  }
  assert.equal(v.safeParse(alarmsStep.config, { tags: {} }).success, false);
  assert.equal(v.safeParse(alarmsStep.config, { ...boiler, chattering: { count: 1 } }).success, false);
});
