import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action, Authority, Principal } from "../authority.ts";
import { createMessage, type Envelope, type Message } from "../envelope.ts";
import { createLog } from "../log.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { MetricsRegistry } from "../metrics.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { openAuthority } from "../testkit/open-authority.ts";
import { covers } from "../topic.ts";
import { createBus, PrincipalBus, type BusContext } from "./create-bus.ts";
import { PostOffice } from "./post-office.ts";

async function setUp(grants: Partial<Record<Action, readonly string[]>> = { publish: ["#"], subscribe: ["#"] }) {
  const clock = fakeClock();
  const asked: string[] = [];
  const metrics = new MetricsRegistry();
  const office = new PostOffice({ clock, log: createLog({ clock, write: () => {} }), metrics, highWater: 100, batch: 100, dedupeWindow: 100, retainedLimit: 100 });
  const authority: Authority = {
    ...openAuthority(),
    can(_principal, action, topic) {
      asked.push(`${action} ${topic}`);
      return (grants[action] ?? []).some((granted) => covers(granted, topic));
    },
  };
  const context: BusContext = { office, authority: () => authority };
  const journal = createMemoryJournal();
  await office.open(journal);
  const seen: Envelope[] = [];
  office.subscribe("#", (message) => void seen.push(message));
  return { context, metrics, asked, seen, journal, clock, bus: createBus(context, "plugin-1"), as: (more: Partial<Principal> = {}) => new PrincipalBus(context, { id: "home-7", roles: ["r"], groups: ["g"], ...more }) };
}

const forbidden = { code: "FORBIDDEN" };

describe("createBus()", () => {
  it("publish() and deliver() stamp what is absent and keep what is given", async () => {
    const { bus, seen, clock } = await setUp();
    assert.equal(bus.publish({ type: "status", payload: 1 }), true);
    const receipt = await bus.deliver({ type: "event", from: "other", msgid: "m", timestamp: 5, payload: 2 });
    assert.deepEqual(receipt, { offset: 1, duplicate: false, msgid: "m" });
    assert.deepEqual(seen.map(({ from, topic, timestamp, received, qos, payload }) => [from, topic, timestamp, received, qos, payload]), [["plugin-1", "status/plugin-1", clock.now(), clock.now(), 0, 1], ["other", "event/other", 5, clock.now(), 1, 2]]);
    assert.deepEqual(await bus.deliver({ type: "event", from: "other", msgid: "m", payload: 3 }), { offset: 1, duplicate: true, msgid: "m" });
    assert.equal(seen.length, 2);
  });

  it("publish() and deliver() refuse a malformed draft with BAD_FRAME", async () => {
    const { bus, seen } = await setUp();
    assert.throws(() => bus.publish({ type: "No", payload: 1 }), { code: "BAD_FRAME" });
    await assert.rejects(async () => bus.deliver({ type: "status", from: "a b", payload: 1 }), { code: "BAD_FRAME" });
    assert.throws(() => bus.subscribe("a/#/b", () => {}), { code: "BAD_FRAME" });
    assert.throws(() => bus.consume("x", "", async () => {}), { code: "BAD_FRAME" });
    assert.deepEqual(seen, []);
  });

  it("deliver() of a message that is on the bus leaves that one as it is", async () => {
    const { bus, seen, journal } = await setUp();
    const subscription = bus.subscribe("status/#", (message) => {
      subscription.close();
      void bus.deliver(message);
    });
    bus.publish({ type: "status", payload: { a: 1 } });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const [stored] = (await journal.read({ after: 0, limit: 9 })).entries;
    assert.deepEqual([stored!.message.qos, stored!.message.payload, stored!.message.msgid], [1, { a: 1 }, seen[0]!.msgid]);
    assert.equal(seen[0]!.qos, 0);
  });

  it("request() resolves with the answer that names its command, and leaves no subscription", async () => {
    for (const qos of [0, 1] as const) {
      const { bus, metrics, context } = await setUp();
      const device = createBus(context, "lamp");
      const answer = bus.request({ type: "command", to: "lamp", payload: 1, msgid: "c", qos }, { signal: new AbortController().signal });
      for (const payload of [null, 5, {}, { msgid: "other" }]) device.publish({ type: "ack", to: "plugin-1", payload });
      device.publish({ type: "ack", to: "somebody", payload: { msgid: "c", status: "error" } });
      device.publish({ type: "ack", to: "plugin-1", payload: { msgid: "c", status: "ok" } });
      assert.deepEqual((await answer).payload, { msgid: "c", status: "ok" });
      assert.match(metrics.format(), /^busbar_subscriptions 1$/m); // the test's own
    }
  });

  it("request() takes no answer of somebody whom the command is not for", async () => {
    const { bus, context } = await setUp();
    const answer = bus.request({ type: "command", to: "lamp", payload: 1, msgid: "c" }, { signal: new AbortController().signal });
    for (const id of ["thief", "lam", "lamp-2", "plugin-1"]) createBus(context, id).publish({ type: "ack", to: "plugin-1", payload: { msgid: "c", status: "ok", result: id } });
    createBus(context, "lamp/left").publish({ type: "ack", to: "plugin-1", payload: { msgid: "c", status: "ok", result: "right" } });
    assert.deepEqual((await answer).payload, { msgid: "c", status: "ok", result: "right" });
    for (const to of ["all", "group/hall"]) {
      const many = bus.request({ type: "command", to, payload: 1, msgid: to }, { signal: new AbortController().signal });
      createBus(context, "fan").publish({ type: "ack", to: "plugin-1", payload: { msgid: to, status: "ok" } });
      assert.equal((await many).from, "fan");
    }
  });

  it("request() rejects with the signal's reason, and leaves no subscription", async () => {
    const { bus, metrics, seen } = await setUp();
    const abort = new AbortController();
    const answer = bus.request({ type: "command", to: "lamp", payload: 1 }, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await assert.rejects(answer, { message: "enough" });
    const sent = seen.length;
    await assert.rejects(bus.request({ type: "command", to: "lamp", payload: 1 }, { signal: AbortSignal.abort(new Error("before")) }), { message: "before" });
    assert.equal(seen.length, sent, "nothing is sent for a request that is over");
    assert.match(metrics.format(), /^busbar_subscriptions 1$/m); // the test's own
  });
});

describe("PrincipalBus", () => {
  it("publish() stamps from, and takes it from whoever speaks for it only", async () => {
    const { as, seen } = await setUp();
    const bus = as();
    bus.publish({ type: "status", payload: 1 });
    bus.publish({ type: "status", from: "home-7/lamp", payload: 1 });
    for (const from of ["home-70", "home", "other", "home-7x/lamp"]) {
      assert.throws(() => bus.publish({ type: "status", from, payload: 1 }), forbidden);
      await assert.rejects(bus.deliver({ type: "status", from, payload: 1 }), forbidden);
      assert.throws(() => bus.request({ type: "command", from, to: "x", payload: 1 }, { signal: AbortSignal.timeout(1000) }), forbidden);
    }
    assert.deepEqual(seen.map(({ topic }) => topic), ["status/home-7", "status/home-7/lamp"]);
  });

  it("every verb asks the authority for the topic, once as long as nothing changes", async () => {
    const grants: Partial<Record<Action, readonly string[]>> = { publish: ["status/home-7/#"], subscribe: ["status/home-7/#"] };
    const { as, asked } = await setUp(grants);
    const bus = as();
    for (let time = 0; time < 3; time++) {
      bus.publish({ type: "status", payload: 1 });
      assert.throws(() => bus.publish({ type: "event", payload: 1 }), forbidden);
      assert.throws(() => bus.publish({ type: "command", to: "lamp", payload: 1 }), forbidden);
      bus.subscribe("status/home-7/+", () => {}).close();
      for (const pattern of ["#", "status/#", "status/+", "+/home-7"]) assert.throws(() => bus.subscribe(pattern, () => {}), forbidden);
      assert.throws(() => bus.consume("x", "#", async () => {}), forbidden);
    }
    assert.deepEqual(asked, ["publish status/home-7", "publish event/home-7", "publish command/lamp", "subscribe status/home-7/+", "subscribe #", "subscribe status/#", "subscribe status/+", "subscribe +/home-7"]);
    grants.publish = [];
    bus.publish({ type: "status", payload: 1 });
    bus.recheck();
    assert.throws(() => bus.publish({ type: "status", payload: 1 }), forbidden);
  });

  it("a refusal does not stay with the next message, nor a grant with another topic", async () => {
    const { as, seen } = await setUp({ publish: ["status/home-7"] });
    const bus = as();
    for (let time = 0; time < 2; time++) {
      bus.publish({ type: "status", payload: 1 });
      assert.throws(() => bus.publish({ type: "status", to: "home-7x", payload: 1 }), forbidden);
      assert.throws(() => bus.publish({ type: "status", from: "home-7/x", payload: 1 }), forbidden);
    }
    assert.equal(seen.length, 2);
  });

  it("a topic that came with the message counts for nothing", async () => {
    const { as, seen } = await setUp({ publish: ["status/#"] });
    const forged = createMessage({ type: "status", payload: 1 }) as Message;
    forged.topic = "command/lamp";
    as().publish(forged);
    assert.equal(seen[0]!.topic, "status/home-7");
  });

  it("subscribe() to one's own letter box needs no grant, to somebody else's it does", async () => {
    const { as } = await setUp({});
    const bus = as();
    for (const pattern of ["command/home-7", "command/home-7/#", "ack/home-7/+"]) bus.subscribe(pattern, () => {}).close();
    for (const pattern of ["command/home-70", "command/#", "command/+", "ack/home", "status/home-7"]) assert.throws(() => bus.subscribe(pattern, () => {}), forbidden);
    assert.throws(() => bus.subscribe("command/home-7/#/x", () => {}), { code: "BAD_FRAME" });
    assert.throws(() => bus.subscribe("x/#/y", () => {}), { code: "BAD_FRAME" });
  });

  it("says nothing that only the gateway says, whatever it may", async () => {
    const { as, seen } = await setUp();
    for (const type of ["audit", "command-sent", "dead-letter"]) {
      assert.throws(() => as().publish({ type, payload: 1 }), forbidden);
      await assert.rejects(as().deliver({ type, payload: 1 }), forbidden);
    }
    assert.throws(() => as().publish({ type: "will", payload: 1 }), { code: "BAD_FRAME" }); // for nobody to say at all
    assert.deepEqual(seen, []);
  });

  it("as() gives rights away and gains none", async () => {
    const { as, seen } = await setUp();
    const bus = as({ roles: ["r", "s"], groups: ["g", "h"] });
    bus.as({ id: "home-7/lamp", roles: ["r"], groups: ["h"] }).publish({ type: "status", payload: 1 });
    assert.equal(seen[0]!.from, "home-7/lamp");
    for (const [id, roles, groups] of [["home-70", [], []], ["home", [], []], ["other", [], []], ["home-7", ["admin"], []], ["home-7/lamp", ["r", "admin"], []], ["home-7", ["r"], ["other"]]] as const) {
      assert.throws(() => bus.as({ id, roles, groups }), forbidden, `${id} ${roles} ${groups}`);
    }
    assert.throws(() => bus.as({ id: "home-7/lamp", roles: [], groups: [] }).as({ id: "home-7", roles: [], groups: [] }), forbidden);
  });
});
