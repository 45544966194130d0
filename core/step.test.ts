import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import type { Bus, Subscription } from "./bus.ts";
import { defineStep, type Step, type StepContext } from "./step.ts";
import { openStep, type StepUnderTest } from "./testkit/open-step.ts";

/** A step that does what the test says, and its context. */
function open(create: (context: StepContext) => Step, bus?: Pick<Bus, "publish" | "deliver" | "subscribe">): StepUnderTest & { readonly context: StepContext } {
  let context: StepContext | undefined;
  const definition = defineStep({ description: "test", config: v.strictObject({}), create: (_config, given) => create((context = given)) });
  const step = openStep(definition, {}, bus ? { bus } : {});
  return Object.assign(step, { context: context! });
}

const messageOf = (payload: unknown, msgid?: string) => ({ type: "status", from: "plc-1", to: "server", timestamp: 5, topic: "status/plc-1", payload, msgid });

test("StepContext.emit() sends outside of a call, and nowhere after the end of the route", async () => {
  const step = open(({ clock, emit }) => {
    clock.every(100, () => emit(messageOf(clock.now())));
    return (message, next) => next(message);
  });
  await step.clock.advance(250);
  assert.equal(step.emitted.length, 2);
  assert.deepEqual(step.emitted.map(({ payload, received }) => payload === received), [true, true], "it arises on the gateway's clock");
  assert.equal(new Set(step.emitted.map(({ msgid }) => msgid)).size, 2, "minted");
  step.close();
  step.context.emit(messageOf("late"));
  await step.clock.advance(1000);
  assert.deepEqual([step.emitted.length, step.clock.timers], [2, 0]);
});

test("StepContext.msgid() depends on its parts and the step's place; a message keeps what it makes of it", () => {
  const step = open(({ emit, msgid }) => (message, next) => {
    next(message);
    next({ ...message, msgid: msgid("a", 1) });
    next({ ...message, payload: "second" });
    emit({ ...message, msgid: msgid("a", 1) });
  });
  const { msgid } = step.context;
  assert.equal(msgid("a", 1), msgid("a", 1));
  assert.equal(new Set([msgid("a", 1), msgid("a", "1"), msgid("a1"), msgid("a", 1, "b")]).size, 4);
  assert.match(msgid("x"), /^[\w-]{22}$/);
  const ids = ["m-1", "m-2"].flatMap((id) => step.send({ msgid: id }).map((message) => message.msgid));
  const [first, own, second, late, ...again] = ids;
  assert.equal(first, "m-1");
  assert.equal(own, late, "of no single source: the same within a call and outside of one");
  assert.equal(again[1], own, "and for whatever comes");
  assert.equal(new Set([first, own, second, again[0], again[2]]).size, 5);
});

test("StepContext logs what a timer, a late message or a cleanup throws, and goes on", async () => {
  const fail = (): never => {
    throw new RangeError("no");
  };
  const step = open(({ clock, defer }) => {
    clock.after(10, fail);
    defer(fail);
    return (message, next) => next(message);
  });
  await step.clock.advance(10);
  step.context.emit({ ...messageOf(1), from: "not an id" });
  step.close();
  assert.deepEqual(step.log.map(({ message, fields }) => [message, fields["step"]]), [["step failed", "step"]], "the same line once a second");
  assert.equal(step.send({}).length, 1);
});

test("StepContext.defer() undoes in reverse order, and subscriptions end with the route", () => {
  const undone: number[] = [];
  let closed = 0;
  const bus: Pick<Bus, "publish" | "deliver" | "subscribe"> = { publish: () => true, deliver: () => Promise.reject(new Error("not asked")), subscribe: (pattern): Subscription => ({ pattern, close: () => void closed++ }) };
  const step = open(({ bus: own, defer }) => {
    defer(() => void undone.push(1));
    defer(() => void undone.push(2));
    own.subscribe("command/x", () => {});
    return (message, next) => next(message);
  }, bus);
  assert.deepEqual([step.context.owner, step.context.route, step.context.index], ["owner", "route", 0]);
  step.close();
  step.close();
  assert.deepEqual([undone, closed], [[2, 1], 1]);
});

test("StepContext.keep() may be called once, and gives what was kept", () => {
  assert.throws(() => open(({ keep }) => (keep(() => 1), keep(() => 2), () => {})), TypeError);
  const counting = defineStep({ description: "counts", config: v.strictObject({ by: v.optional(v.number(), 1) }), create({ by }, { keep }) {
    let count = 0;
    const kept = keep(() => ({ count }));
    if (kept?.sameConfig) count = (kept.state as { count: number }).count;
    return (message, next) => next({ ...message, payload: (count += by) });
  } });
  const payloads = (step: StepUnderTest): unknown[] => step.send({}).map(({ payload }) => payload);
  const first = openStep(counting, {});
  payloads(first);
  assert.deepEqual([payloads(first), payloads(first.restart()), payloads(first.restart({ by: 5 }))], [[2], [3], [5]]);
});

test("StepContext.count() counts by what, and a step that fails in a call fails its sender", () => {
  const step = open(({ count }) => (message) => {
    count(String(message.payload));
    if (message.payload === "bad") throw new RangeError("no");
  });
  step.send({ payload: "good" });
  step.send({ payload: "good" });
  assert.throws(() => step.send({ payload: "bad" }), RangeError);
  assert.deepEqual([step.counted("good"), step.counted("bad"), step.counted("other")], [2, 1, 0]);
});
