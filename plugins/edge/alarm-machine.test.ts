import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AlarmMachine, normalAlarm, type AlarmChange, type AlarmState, type AlarmTiming } from "./alarm-machine.ts";

const plain: AlarmTiming = { onDelay: 0, offDelay: 0, latch: false, acknowledge: true, chattering: { count: 0, within: 0 } };

/** A machine and what it has told. */
function open(timing: Partial<AlarmTiming> = {}, state: AlarmState = normalAlarm()) {
  const told: [AlarmChange, number][] = [];
  const machine = new AlarmMachine({ ...plain, ...timing }, state, (change, time) => told.push([change, time]));
  return { machine, told };
}

/** What is done to an alarm, by the words of the diagram. */
const actions: Readonly<Record<string, (machine: AlarmMachine, time: number) => void>> = {
  alarm: (machine, time) => machine.observe(true, time),
  normal: (machine, time) => machine.observe(false, time),
  acknowledge: (machine, time) => machine.acknowledge(time),
  reset: (machine, time) => machine.reset(time),
  shelve: (machine, time) => machine.shelve(time, { until: time + 60_000, once: false }),
  unshelve: (machine, time) => machine.unshelve(time),
  suppress: (machine, time) => machine.suppress(true, time),
  unsuppress: (machine, time) => machine.suppress(false, time),
  remove: (machine, time) => machine.setOutOfService(true, time),
  return: (machine, time) => machine.setOutOfService(false, time),
};

test("AlarmMachine goes through ISA-18.2's diagram as the standard draws it", () => {
  const ways: readonly (readonly [latch: boolean, way: string, condition: string, told: string])[] = [
    [false, "alarm", "unacknowledged", "raised"],
    [false, "alarm acknowledge", "acknowledged", "raised acknowledged"],
    [false, "alarm acknowledge normal", "normal", "raised acknowledged cleared"],
    [false, "alarm normal", "returned", "raised cleared"],
    [false, "alarm normal acknowledge", "normal", "raised cleared acknowledged"],
    [false, "alarm normal alarm", "unacknowledged", "raised cleared raised"],
    [false, "acknowledge reset unshelve", "normal", ""],
    [true, "alarm normal", "latched-unacknowledged", "raised cleared"],
    [true, "alarm normal reset", "latched-unacknowledged", "raised cleared"],
    [true, "alarm normal acknowledge", "latched", "raised cleared acknowledged"],
    [true, "alarm acknowledge normal", "latched", "raised acknowledged cleared"],
    [true, "alarm acknowledge normal reset", "normal", "raised acknowledged cleared reset"],
    [true, "alarm acknowledge reset", "acknowledged", "raised acknowledged"],
    [true, "alarm acknowledge normal alarm", "unacknowledged", "raised acknowledged cleared raised"],
    [true, "alarm shelve normal unshelve", "normal", "raised shelved unshelved"],
    [false, "shelve", "shelved", "shelved"],
    [false, "shelve alarm", "shelved", "shelved"],
    [false, "shelve alarm unshelve", "unacknowledged", "shelved unshelved raised"],
    [false, "alarm acknowledge shelve acknowledge unshelve", "unacknowledged", "raised acknowledged shelved unshelved raised"],
    [false, "alarm normal shelve unshelve", "normal", "raised cleared shelved unshelved"],
    [false, "alarm suppress", "suppressed", "raised suppressed"],
    [false, "suppress alarm unsuppress", "unacknowledged", "unsuppressed raised"],
    [false, "suppress alarm normal unsuppress", "normal", ""],
    [false, "remove alarm", "out-of-service", "out-of-service"],
    [false, "remove alarm return", "unacknowledged", "out-of-service in-service raised"],
    [false, "shelve suppress remove alarm return", "suppressed", "shelved suppressed out-of-service in-service"],
    [false, "shelve suppress remove alarm return unsuppress", "shelved", "shelved suppressed out-of-service in-service unsuppressed"],
    [false, "shelve suppress remove alarm return unsuppress unshelve", "unacknowledged", "shelved suppressed out-of-service in-service unsuppressed unshelved raised"],
  ];
  for (const [latch, way, condition, changes] of ways) {
    const { machine, told } = open({ latch });
    way.split(" ").forEach((action, at) => actions[action]!(machine, at));
    assert.equal(machine.condition, condition, way);
    assert.equal(told.map(([change]) => change).join(" "), changes, way);
  }
});

test("AlarmMachine without acknowledgement waits for nobody", () => {
  const { machine } = open({ acknowledge: false });
  machine.observe(true, 1);
  assert.equal(machine.condition, "acknowledged");
  machine.observe(false, 2);
  assert.equal(machine.condition, "normal");
});

test("AlarmMachine.shelve() once ends when the process is back to normal", () => {
  const { machine, told } = open();
  machine.observe(true, 1);
  machine.shelve(2, { until: 1000, once: true });
  machine.observe(false, 3);
  assert.deepEqual(told, [["raised", 1], ["shelved", 2], ["unshelved", 3]]);
  assert.equal(machine.condition, "normal");
});

test("AlarmMachine holds an alarm that chatters until it has been normal for a while", () => {
  const { machine, told } = open({ chattering: { count: 3, within: 60_000 } });
  for (let time = 0; time <= 40_000; time += 1000) machine.observe((time / 1000) % 2 === 0, time);
  assert.deepEqual(told, [["raised", 0], ["cleared", 1000], ["raised", 2000], ["cleared", 3000], ["raised", 4000]]);
  assert.equal(machine.state.chattering, true);
  machine.observe(false, 41_000);
  machine.settle(100_999);
  assert.equal(told.length, 5);
  machine.settle(101_000);
  assert.deepEqual(told.at(-1), ["cleared", 101_000]);
  assert.equal(machine.state.chattering, false);
});

test("AlarmMachine does not take an alarm for chattering that comes more rarely", () => {
  const { machine, told } = open({ chattering: { count: 3, within: 60_000 } });
  for (let time = 0; time <= 600_000; time += 15_001) machine.observe((time / 15_001) % 2 === 0, time);
  assert.equal(told.length, 40);
  assert.equal(machine.state.chattering, false);
});

/** The same by counting milliseconds: a sample holds until the next one; a delay that has run for its whole length ends before what comes at that moment. */
function referenceOf(samples: readonly { readonly time: number; readonly over: boolean }[], { onDelay, offDelay }: AlarmTiming, end: number): [AlarmChange, number][] {
  const told: [AlarmChange, number][] = [];
  let [over, since, active] = [false, 0, false];
  const flip = (time: number): void => {
    if (over === active || time - since < (over ? onDelay : offDelay)) return;
    active = over;
    told.push([active ? "raised" : "cleared", time]);
  };
  for (let time = 0; time <= end; time++) {
    flip(time);
    for (const sample of samples) {
      if (sample.time !== time || sample.over === over) continue;
      over = sample.over;
      since = time;
      flip(time);
    }
    flip(time);
  }
  return told;
}

test("AlarmMachine tells the same as a reference that counts milliseconds, whenever the clock looks and across restarts", () => {
  const sample = fc.record({ gap: fc.integer({ min: 0, max: 12 }), over: fc.boolean(), looks: fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 3 }), restart: fc.boolean() });
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 30 }), fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 10 }), (given, onDelay, offDelay) => {
      const timing = { ...plain, onDelay, offDelay };
      let subject = open(timing);
      const told = subject.told;
      let time = 0;
      const samples = given.map(({ gap, over }) => ({ time: (time += gap), over }));
      samples.forEach(({ time, over }, at) => {
        const before = at === 0 ? 0 : samples[at - 1]!.time;
        for (const look of [...given[at]!.looks].sort((a, b) => a - b)) subject.machine.settle(Math.min(time, before + look));
        if (given[at]!.restart) subject = { machine: new AlarmMachine(timing, JSON.parse(JSON.stringify(subject.machine.state)) as AlarmState, (change, when) => told.push([change, when])), told };
        subject.machine.observe(over, time);
      });
      subject.machine.settle(time + 50);
      assert.deepEqual(told, referenceOf(samples, timing, time + 50));
    }),
    { numRuns: 300 },
  );
});

test("AlarmMachine keeps its promises whatever operators do", () => {
  const names = Object.keys(actions);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...names), { maxLength: 40 }), fc.boolean(), (way, latch) => {
      const { machine, told } = open({ latch });
      way.forEach((action, at) => actions[action]!(machine, at));
      const announced = told.map(([change]) => change).filter((change) => change !== "acknowledged" && change !== "reset");
      for (const [at, change] of announced.entries()) if (change === "cleared") assert.equal(announced[at - 1], "raised", "only what was raised is cleared");
      const { active, acknowledged, latched, shelved, suppressed, outOfService } = machine.state;
      if (shelved || suppressed || outOfService) assert.ok(acknowledged && !latched, "what is not announced waits for nobody");
      if (active) assert.equal(latched, false);
      assert.equal(machine.condition === "normal", !active && acknowledged && !latched && !shelved && !suppressed && !outOfService);
    }),
    { numRuns: 300 },
  );
});
