import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inflateRawSync } from "node:zlib";
import * as v from "valibot";
import type { CheckedConfig, CheckedRoute } from "../config/checked.ts";
import type { Journal } from "../journal.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { JournalPort } from "../ports.ts";
import { defineStep, type StepDefinition } from "../step.ts";
import { journalMessage, readAll } from "../testkit/journal-message.ts";
import { configOf, instanceOf, kernelOf, pluginOf, type KernelUnderTest } from "./kernel-fixture.ts";

/** Sums what passes; `every`: says the sum by itself, so often. */
const sum = defineStep({
  description: "sums",
  config: v.strictObject({ every: v.optional(v.number(), 0), factor: v.optional(v.number(), 1) }),
  create({ every, factor }, { clock, emit, keep, msgid }) {
    let total = 0;
    const kept = keep(() => total);
    if (kept?.sameConfig && typeof kept.state === "number") total = kept.state;
    if (every > 0) clock.every(every, () => emit({ type: "status", from: "a", to: "server", timestamp: clock.now(), topic: "status/a", payload: total, qos: 1, msgid: msgid("sum", total) }));
    return (message, next) => next({ ...message, payload: (total += Number(message.payload) * factor) });
  },
});

const routeOf = (config: { readonly every?: number; readonly factor?: number } = {}, more: Partial<CheckedRoute> = {}): CheckedRoute => ({
  name: "r", from: "status/a", to: { kind: "topic", template: "event/sum" }, source: { steps: [{ sum: config }] },
  steps: [{ name: "sum", definition: sum as StepDefinition, config: v.parse(sum.config, config) }], ...more,
});

const configWith = (journal: Journal | undefined, routes: readonly CheckedRoute[]): CheckedConfig => {
  const keeper = instanceOf(pluginOf("keeper", () => ({ journal }), { provides: { journal: JournalPort } }));
  return { ...configOf(journal ? [keeper] : []), routes };
};

async function start(journal: Journal | undefined, routes: readonly CheckedRoute[]): Promise<KernelUnderTest> {
  const subject = kernelOf(configWith(journal, routes));
  await subject.kernel.start();
  await subject.clock.advance(0);
  return subject;
}

/** A gateway that is gone without a word: nothing of it runs on, as its clock stands still. */
const killed = (_gateway: KernelUnderTest): void => {};

const say = ({ kernel }: KernelUnderTest, payload: number, msgid: string) => kernel.bus.deliver({ type: "status", from: "a", payload, qos: 1, msgid });
const sums = async (journal: Journal): Promise<unknown[]> => (await readAll(journal, { after: 0, pattern: "event/sum" })).map(({ message }) => message.payload);
const states = async (journal: Journal): Promise<number> => (await journal.retained()).filter(({ message }) => message.type === "route-state").length;

/** Keeps what it is told, and has it written before it says "done". */
const ledger = defineStep({
  description: "keeps",
  config: v.strictObject({}),
  create(_config, { bus, keep, save }) {
    let kept: unknown = null;
    kept = keep(() => kept)?.state ?? null;
    bus.subscribe("command/ledger", async ({ payload }) => {
      kept = payload;
      save();
      await bus.deliver({ type: "ack", to: "teller", payload: kept, qos: 1 });
    });
    return () => {};
  },
}) as StepDefinition;

describe("Routes", () => {
  it("write the state of a step that asks for it before what it delivers afterwards", async () => {
    const journal = createMemoryJournal();
    const first = await start(journal, [routeOf({}, { steps: [{ name: "ledger", definition: ledger, config: {} }] })]);
    await first.kernel.bus.deliver({ type: "command", to: "ledger", payload: 42, qos: 1 });
    await first.clock.advance(0);
    const stored = await readAll(journal, { after: 0, pattern: "#" });
    const [state] = (await journal.retained()).filter(({ message }) => message.type === "route-state");
    const answer = stored.find(({ message }) => message.topic === "ack/teller");
    assert.equal(JSON.parse(inflateRawSync(state!.message.payload as Uint8Array).toString()).steps["0/ledger"].state, 42);
    assert.ok(state!.offset < answer!.offset, `the state is at ${state!.offset}, the answer at ${answer!.offset}`);
    await first.kernel.stop();
  });

  it("keep what steps remember over a stop", async () => {
    const journal = createMemoryJournal();
    const first = await start(journal, [routeOf()]);
    await say(first, 1, "1");
    await say(first, 2, "2");
    await first.kernel.stop();
    assert.equal(first.clock.timers, 0);
    const second = await start(journal, [routeOf()]);
    await say(second, 4, "3");
    await second.clock.advance(0);
    assert.deepEqual(await sums(journal), [1, 3, 7]);
    await second.kernel.stop();
  });

  it("run what came after the last state through the steps again when the gateway was killed, and deliver what follows once", async () => {
    const journal = createMemoryJournal();
    const first = await start(journal, [routeOf()]);
    await say(first, 1, "1");
    await first.clock.advance(10_000);
    assert.equal(await states(journal), 1);
    await say(first, 2, "2");
    await say(first, 4, "3");
    await first.clock.advance(0);
    killed(first);
    const second = await start(journal, [routeOf()]);
    await say(second, 8, "4");
    await second.clock.advance(0);
    assert.deepEqual(await sums(journal), [1, 3, 7, 15]);
    assert.ok(second.log.some(({ message, fields }) => message.includes("went through them") && fields["count"] === 2));
    await second.kernel.stop();
    await first.kernel.stop();
  });

  it("lose of qos 0 what came after the last state", async () => {
    const journal = createMemoryJournal();
    const first = await start(journal, [routeOf()]);
    first.kernel.bus.publish({ type: "status", from: "a", payload: 1 });
    await first.clock.advance(10_000);
    first.kernel.bus.publish({ type: "status", from: "a", payload: 2 });
    killed(first);
    const second = await start(journal, [routeOf()]);
    await say(second, 4, "1");
    await second.clock.advance(0);
    assert.deepEqual(await sums(journal), [5]);
    await second.kernel.stop();
    await first.kernel.stop();
  });

  it("deliver once what a step says by itself under a msgid of its own", async () => {
    const journal = createMemoryJournal();
    const first = await start(journal, [routeOf({ every: 1000 })]);
    await say(first, 5, "1");
    await first.clock.advance(3000);
    killed(first);
    const second = await start(journal, [routeOf({ every: 1000 })]);
    await second.clock.advance(3000);
    assert.deepEqual(await sums(journal), [5, 5], "the message before the first look at the state has gone through again, and what was said is not said again");
    await second.kernel.stop();
    assert.equal(second.clock.timers, 0);
    await first.kernel.stop();
  });

  it("tell a step that its config is another one, and forget routes that are gone", async () => {
    const journal = createMemoryJournal();
    const first = await start(journal, [routeOf()]);
    await say(first, 1, "1");
    await first.kernel.stop();
    const second = await start(journal, [routeOf({ factor: 10 })]);
    await say(second, 1, "2");
    await second.kernel.stop();
    assert.deepEqual([await sums(journal), await states(journal)], [[1, 10], 1]);
    const third = await start(journal, []);
    await third.kernel.stop();
    assert.equal(await states(journal), 0);
  });

  it("that a reload leaves as they are run on, and one that it changes takes over what steps remember", async () => {
    const first = await start(undefined, [routeOf()]);
    const heard: unknown[] = [];
    first.kernel.bus.subscribe("event/+", ({ topic, payload }) => void heard.push(`${topic} ${payload}`));
    await say(first, 1, "1");
    const other = routeOf({}, { name: "other", from: "status/b" });
    await first.kernel.reload(configWith(undefined, [routeOf(), other]));
    await say(first, 2, "2");
    const elsewhere = { from: "status/a", source: { ...(routeOf().source as object), to: "event/elsewhere" }, to: { kind: "topic", template: "event/elsewhere" } } as const;
    await first.kernel.reload(configWith(undefined, [routeOf({}, elsewhere), other]));
    await say(first, 4, "3");
    await first.clock.advance(0);
    assert.deepEqual(heard, ["event/sum 1", "event/sum 3", "event/elsewhere 7"]);
    await first.kernel.stop();
    assert.equal(first.clock.timers, 0);
  });

  it("lose nothing of qos 1 when the gateway is killed before the first look at what they remember", async () => {
    const journal = createMemoryJournal();
    const first = await start(journal, [routeOf()]);
    await say(first, 1, "1");
    await first.clock.advance(0);
    killed(first);
    const second = await start(journal, [routeOf()]);
    await say(second, 2, "2");
    await second.clock.advance(0);
    assert.deepEqual(await sums(journal), [1, 3]);
    await second.kernel.stop();
    await first.kernel.stop();
  });

  it("do not keep a state that is too large, and say so", async () => {
    const journal = createMemoryJournal();
    const large = defineStep({ description: "large", config: v.strictObject({}), create: (_config, { keep }) => (keep(() => "x".repeat(2_000)), (message, next) => next(message)) });
    const subject = kernelOf({ ...configWith(journal, [routeOf({}, { steps: [{ name: "large", definition: large, config: {} }] })]), gateway: { ...configOf([]).gateway, stateLimit: 1024 } });
    await subject.kernel.start();
    await subject.clock.advance(10_000);
    assert.ok(subject.log.some(({ message, fields }) => message.includes("remember too much") && fields["limit"] === 1024));
    await subject.kernel.stop();
    assert.equal(await states(journal), 0);
  });

  it("hear what plugins publish while they are set up", async () => {
    const early = instanceOf(pluginOf("early", (ctx) => void ctx.bus.publish({ type: "status", from: "a", payload: 1 })));
    const first = kernelOf({ ...configOf([early]), routes: [routeOf()] });
    const heard: unknown[] = [];
    first.kernel.bus.subscribe("event/sum", ({ payload }) => void heard.push(payload));
    await first.kernel.start();
    assert.deepEqual(heard, [1]);
    await first.kernel.stop();
  });

  it("begin anew, and say so, where what is in the journal cannot be read", async () => {
    const journal = createMemoryJournal();
    await journal.append([journalMessage({ type: "event", from: "gateway/r", retain: true, payload: new Uint8Array([1, 2, 3]) })].map((message) => Object.assign(message, { type: "route-state", topic: "route-state/gateway/r" })));
    const first = await start(journal, [routeOf()]);
    await say(first, 1, "1");
    await first.clock.advance(0);
    assert.ok(first.log.some(({ message, fields }) => message.includes("cannot be read") && fields["route"] === "r"));
    assert.deepEqual(await sums(journal), [1]);
    await first.kernel.stop();
  });

  it("hide what steps remember from everybody", async () => {
    const journal = createMemoryJournal();
    const seen: string[] = [];
    const first = kernelOf(configWith(journal, [routeOf()]));
    first.kernel.bus.subscribe("#", ({ topic }) => void seen.push(topic));
    await first.kernel.start();
    await say(first, 1, "1");
    await first.clock.advance(10_000);
    assert.throws(() => first.kernel.bus.subscribe("route-state/#", () => {}), { code: "FORBIDDEN" });
    assert.throws(() => first.kernel.bus.publish({ type: "route-state", payload: 1 }), { code: "BAD_FRAME" });
    await first.kernel.stop();
    assert.deepEqual([await states(journal), seen.filter((topic) => topic.startsWith("route-state"))], [1, []]);
    assert.deepEqual((await readAll(journal, { after: 0, pattern: "#" })).filter(({ message }) => message.type === "route-state"), []);
  });
});
