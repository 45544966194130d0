import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import type { Bus } from "./bus.ts";
import type { CheckedRoute, CheckedStep } from "./config/checked.ts";
import { completeMessage, createMessage, type Draft, type Envelope } from "./envelope.ts";
import { errorCode } from "./errors.ts";
import { createLog } from "./log.ts";
import { MetricsRegistry } from "./metrics.ts";
import { compileRoute, type CompiledRoute } from "./route.ts";
import { defineStep, type Step } from "./step.ts";
import { fakeClock } from "./testkit/fake-clock.ts";

function envelope(draft: Draft): Envelope {
  const message = createMessage(draft);
  completeMessage(message, { from: "plc-1", now: 1000, mint: () => "m-1" });
  return message;
}

const stepOf = (step: Step): CheckedStep => ({ name: "test", config: {}, definition: defineStep({ description: "A test", config: v.strictObject({}), create: () => step }) });
const twice = stepOf((message, emit) => (emit(message), emit({ ...message, payload: "second" })));

const surroundings = () => {
  const clock = fakeClock();
  return { clock, log: createLog({ clock, write: () => {} }), metrics: new MetricsRegistry(), busOf: () => Object.freeze({}) as Bus };
};

interface Run extends CompiledRoute {
  readonly published: Draft[];
  readonly sent: [string, Envelope][];
}

function run(to: CheckedRoute["to"], steps: readonly CheckedStep[] = [], name = "r"): Run {
  const published: Draft[] = [];
  const sent: [string, Envelope][] = [];
  const route = compileRoute({ name, from: "status/#", steps, to, source: {} }, { ...surroundings(), publish: (draft) => published.push(draft), sendTo: (id, message) => sent.push([id, message]) });
  return { ...route, published, sent };
}

const topic = (template: string): CheckedRoute["to"] => ({ kind: "topic", template });

test("compileRoute() keeps what the source says and derives who speaks", () => {
  const route = run(topic("event/alarm/{id}"));
  assert.deepEqual([route.name, route.pattern], ["r", "status/#"]);
  route.handle(envelope({ type: "status", payload: { a: 1 }, qos: 1, retain: true, timestamp: 500, expires: 9000, replace: "k", msgid: "x" }));
  const { msgid, ...draft } = route.published[0]!;
  assert.match(msgid!, /^x~[\w-]{16}$/);
  assert.deepEqual(draft, { type: "event", payload: { a: 1 }, from: "alarm/plc-1", to: "server", timestamp: 500, qos: 1, retain: true, expires: 9000, replace: "k" });
});

test("compileRoute() makes commands for the id in the name of the source", () => {
  const route = run(topic("command/lamp/{id}"));
  route.handle(envelope({ type: "status", payload: null }));
  assert.deepEqual([route.published[0]?.from, route.published[0]?.to], ["plc-1", "lamp/plc-1"]);
});

test("compileRoute() takes the id from the topic, whoever speaks", () => {
  const route = run(topic("event/{id}"));
  route.handle(envelope({ type: "command", from: "panel", to: "lamp-1", payload: 1 }));
  assert.equal(route.published[0]?.from, "lamp-1");
});

test("compileRoute() derives msgids that repeat for a repeated source and for nothing else", () => {
  const both = [run(topic("event/all"), [twice]), run(topic("event/all"), [twice], "other")];
  const long = "é".repeat(32);
  for (const route of both) {
    for (const from of ["plc-1", "plc-2"]) for (const msgid of ["1", "2", long, "x".repeat(64), `${"x".repeat(63)}y`]) route.handle(envelope({ type: "status", payload: 0, from, msgid }));
  }
  const ids = both.flatMap(({ published }) => published.map(({ msgid }) => msgid!));
  assert.equal(new Set(ids).size, 40);
  for (const id of ids) assert.ok(Buffer.byteLength(id) >= 1 && Buffer.byteLength(id) <= 64, id);
  const again = run(topic("event/all"), [twice]);
  again.handle(envelope({ type: "status", payload: "other", from: "plc-1", msgid: "1" }));
  assert.deepEqual(again.published.map(({ msgid }) => msgid), ids.slice(0, 2));
});

test("compileRoute() hands complete envelopes to a plugin", () => {
  const route = run({ kind: "plugin", id: "history" }, [twice]);
  const source = envelope({ type: "status", payload: 1, to: "server", msgid: "x", timestamp: 5 });
  route.handle(source);
  const [first, second] = route.sent;
  assert.deepEqual([first?.[0], first?.[1].msgid, first?.[1].from, first?.[1].topic, first?.[1].payload, first?.[1].received], ["history", "x", "plc-1", "status/plc-1", 1, 1000]);
  assert.deepEqual([second?.[1].payload, second?.[1].topic], ["second", "status/plc-1"]);
  assert.notEqual(second?.[1].msgid, "x");
});

test("compileRoute() runs steps in order and passes on what they throw", () => {
  const add = (text: string): CheckedStep => stepOf((message, emit) => emit({ ...message, payload: String(message.payload) + text }));
  const route = run(topic("event/x"), [add("a"), twice, add("b")]);
  route.handle(envelope({ type: "status", payload: "" }));
  assert.deepEqual(route.published.map(({ payload }) => payload), ["ab", "secondb"]);
  const broken = run(topic("event/x"), [stepOf(() => { throw new RangeError("no"); })]);
  assert.throws(() => broken.handle(envelope({ type: "status", payload: "" })), RangeError);
  const silent = run(topic("event/x"), [stepOf(() => {})]);
  silent.handle(envelope({ type: "status", payload: "" }));
  assert.equal(silent.published.length, 0);
});

test("compileRoute() ends a circle that the config could not show", () => {
  let rounds = 0;
  const route = compileRoute({ name: "circle", from: "#", steps: [], to: topic("event/x"), source: {} }, {
    ...surroundings(),
    publish: (draft) => {
      rounds++;
      route.handle(envelope(draft));
    },
    sendTo: () => {},
  });
  const round = (): void => route.handle(envelope({ type: "status", payload: 0 }));
  assert.throws(round, (error: unknown) => errorCode(error) === "CONFIG" && /through route "circle": it has come back/.test(String(error)));
  assert.equal(rounds, 16);
  assert.throws(round, "the route is whole again after an error");
  assert.equal(rounds, 32);
});
