import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMemoryJournal } from "../memory-journal.ts";
import { ack, openSessions, openSessionsOn, settle, store, subscribe, type SessionsUnderTest } from "./limits-fixture.ts";

describe("the queue of a subscription", () => {
  const publish = ({ gateway }: SessionsUnderTest, from: number, to: number, source = "src"): void => {
    for (let n = from; n <= to; n++) gateway.bus.publish({ type: "status", from: source, payload: n });
  };
  const dropped = ({ gateway }: SessionsUnderTest, reason: string): number => gateway.metric(`busbar_dropped_total{of="peers",reason="${reason}"}`);

  it("takes what finds no room, drops by its policy what is too much, and hands it over in order when there is room", async () => {
    for (const [overflow, expected] of [["drop-oldest", [1, 4, 5, 6, 7]], ["drop-newest", [1, 2, 3, 4, 7]]] as const) {
      await using subject = await openSessions();
      const peer = subject.connect({ limits: { buffer: 10_000 } });
      subscribe(peer, { qos: 0, overflow, limit: 3 });
      publish(subject, 1, 1);
      peer.buffered = 5000;
      publish(subject, 2, 6);
      assert.deepEqual([peer.take(), peer.closed], [[1], []]);
      assert.equal(dropped(subject, overflow), 2);
      peer.buffered = 0;
      await subject.clock.advance(20);
      publish(subject, 7, 7);
      assert.deepEqual([1, ...peer.take()], expected);
      assert.equal(dropped(subject, "slow-consumer"), 0);
    }
  });

  it("with latest holds one message of each topic", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { buffer: 10_000 } });
    subscribe(peer, { qos: 0, overflow: "latest" });
    peer.buffered = 5000;
    for (let n = 1; n <= 100; n++) for (const source of ["a", "b"]) publish(subject, n, n, source);
    peer.buffered = 0;
    await subject.clock.advance(20);
    assert.deepEqual(peer.take(), [100, 100]);
    assert.equal(dropped(subject, "latest"), 198);
  });

  it("with disconnect ends the session with 4008 when it is full", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { buffer: 10_000, slowConsumer: "drop-newest" } });
    subscribe(peer, { qos: 0, overflow: "disconnect", limit: 3 });
    peer.buffered = 5000;
    publish(subject, 1, 3);
    assert.deepEqual(peer.closed, []);
    publish(subject, 4, 4);
    assert.deepEqual(peer.closed, [4008]);
    assert.equal(dropped(subject, "disconnect"), 1);
    assert.equal(dropped(subject, "closed"), 3, "what waited is lost, too, and counted");
  });

  it("is what the listener says where the subscription says nothing", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { buffer: 10_000, slowConsumer: "drop-oldest", queue: 2 } });
    subscribe(peer, { qos: 0 });
    peer.buffered = 9999;
    publish(subject, 1, 10);
    peer.buffered = 0;
    await subject.clock.advance(20);
    assert.deepEqual([peer.take(), peer.closed], [[9, 10], []]);
  });

  it("holds no more bytes than the session's buffer, over all subscriptions", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { buffer: 20_000 } });
    for (const type of ["status", "event"]) peer.send({ type: "subscribe", topic: `${type}/#`, overflow: "drop-newest", limit: 100_000 });
    peer.buffered = 10_000;
    for (let n = 0; n < 100; n++) for (const type of ["status", "event"]) subject.gateway.bus.publish({ type, from: "src", payload: "x".repeat(1000) });
    assert.equal(dropped(subject, "drop-newest"), 200 - 16, "16 of 1,202 bytes fit");
    peer.buffered = 0;
    await subject.clock.advance(20);
    assert.equal(peer.take().length, 8);
  });

  it("leaves stored messages to the journal: none of them is dropped", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { buffer: 10_000 } });
    subscribe(peer, { overflow: "latest", limit: 1 });
    peer.buffered = 5000;
    await store(subject, 1, 50);
    peer.buffered = 0;
    await subject.clock.advance(20);
    await settle();
    assert.deepEqual(peer.take(), Array.from({ length: 50 }, (_, at) => at + 1));
    assert.equal(dropped(subject, "latest"), 0);
  });

  it("takes a message once however many subscriptions of the session match it", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { buffer: 10_000 } });
    for (const topic of ["status/#", "status/src"]) peer.send({ type: "subscribe", topic, overflow: "drop-oldest" });
    peer.buffered = 5000;
    publish(subject, 1, 5);
    peer.buffered = 0;
    await subject.clock.advance(20);
    assert.deepEqual(peer.take(), [1, 2, 3, 4, 5]);
  });
});

describe("retained values that are more than the peer takes at once", () => {
  /** A peer that has room for 5 messages at a time, and 20 retained values. */
  async function begin(more: object = {}, limits: object = {}) {
    const subject = await openSessions();
    const { gateway, clock } = subject;
    for (let n = 0; n < 20; n++) gateway.bus.publish({ type: "status", from: `d/${n}`, payload: { n, at: "old" }, retain: true });
    await gateway.bus.deliver({ type: "event", from: "x", payload: "all are stored" });
    const peer = subject.connect({ limits: { buffer: 4000, ...limits } });
    const said = peer.said.push.bind(peer.said);
    peer.said.push = (...frames) => {
      peer.buffered += 200;
      return said(...frames);
    };
    subscribe(peer, { qos: 0, ...more });
    const seen: { n: number; at: string }[] = [];
    const read = async (): Promise<void> => {
      peer.buffered = 0;
      await clock.advance(20);
      seen.push(...(peer.take() as { n: number; at: string }[]));
    };
    return { subject, gateway, peer, seen, read, [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose]() };
  }

  it("come as it reads, instead of ending it", async () => {
    await using test = await begin();
    assert.ok(test.peer.take().length < 20);
    for (let round = 0; round < 10; round++) await test.read();
    assert.equal(test.peer.said.filter((frame) => frame["type"] === "status").length, 20);
    assert.deepEqual(test.peer.closed, []);
  });

  it("are not sent after a newer message of their topic, whatever its kind", async () => {
    for (const more of [{}, { overflow: "drop-oldest" }, { qos: 1 }]) {
      await using test = await begin(more);
      const { gateway, peer, seen, read } = test;
      seen.push(...(peer.take() as typeof seen));
      gateway.bus.publish({ type: "status", from: "d/17", payload: { n: 17, at: "live" } });
      gateway.bus.publish({ type: "status", from: "d/18", payload: { n: 18, at: "retained" }, retain: true });
      await gateway.bus.deliver({ type: "status", from: "d/19", payload: { n: 19, at: "stored" }, retain: true });
      for (let round = 0; round < 10; round++) await read();
      const of = (n: number): string[] => seen.filter((one) => one.n === n).map((one) => one.at);
      assert.deepEqual([of(16), of(17), of(18), of(19)], [["old"], ["old", "live"], ["retained"], ["old", "stored"]], JSON.stringify(more));
      assert.deepEqual(peer.closed, []);
    }
  });

  it("are not overtaken by a stored message of their topic when there is room again already", async () => {
    await using test = await begin();
    test.peer.take();
    test.peer.buffered = 0;
    await test.gateway.bus.deliver({ type: "status", from: "d/19", payload: { n: 19, at: "stored" } });
    for (let round = 0; round < 10; round++) await test.read();
    assert.deepEqual(test.seen.filter(({ n }) => n === 19).map(({ at }) => at), ["old", "stored"]);
  });

  it("of qos 1 wait for acknowledgements like any delivery, and are repeated", async () => {
    await using subject = await openSessions();
    for (let n = 1; n <= 5; n++) await subject.gateway.bus.deliver({ type: "status", from: `d/${n}`, msgid: `m${n}`, payload: n, retain: true });
    const peer = subject.connect({ limits: { inFlight: 2, redeliver: 1000 } });
    subscribe(peer);
    await store(subject, 6, 6);
    assert.deepEqual(peer.take(), [1, 2]);
    ack(peer, 1);
    await settle();
    assert.deepEqual(peer.take(), [3]);
    await subject.clock.advance(1500);
    assert.deepEqual(peer.take(), [2, 3]);
    ack(peer, 2, 3);
    await settle();
    ack(peer, 4, 5);
    await settle();
    assert.deepEqual(peer.take(), [4, 5, 6]);
  });
});

describe("a resumed subscription", () => {
  it("gets a message once that it has read from the journal before the others were told of it", async () => {
    const journal = createMemoryJournal();
    await using subject = await openSessionsOn(journal);
    const append = journal.append.bind(journal);
    const answer = Promise.withResolvers<void>();
    await store(subject, 1, 1);
    journal.append = async (batch) => {
      const first = await append(batch);
      await answer.promise; // it is in the journal by now
      return first;
    };
    const stored = store(subject, 2, 2);
    await settle();
    const peer = subject.connect();
    subscribe(peer, { since: 0 });
    await settle();
    assert.deepEqual(peer.take(), [1, 2]);
    answer.resolve();
    await stored;
    await store(subject, 3, 3);
    assert.deepEqual(peer.take(), [3]);
  });

  it("gets what was published just before it began, retained, and still on its way to the journal; and what is published after it once", async () => {
    await using subject = await openSessions();
    const { gateway } = subject;
    await store(subject, 1, 1);
    const peer = subject.connect();
    for (const n of [2, 3]) gateway.bus.publish({ type: "status", from: "src", msgid: "same", payload: n, retain: true });
    gateway.bus.publish({ type: "status", from: "other", payload: "x", retain: true });
    subscribe(peer, { qos: 0, since: 0, topic: "status/src" });
    for (const n of [4, 5]) gateway.bus.publish({ type: "status", from: "src", msgid: "same", payload: n, retain: true });
    await subject.clock.advance(20);
    await store(subject, 6, 6);
    await settle();
    assert.deepEqual(peer.take().sort(), [1, 2, 3, 4, 5, 6]);
  });

  it("is told the journal's epoch, and UNKNOWN_OFFSET with the oldest offset for one of another", async () => {
    await using subject = await openSessions({ memoryJournalLimit: 10 });
    await store(subject, 1, 30);
    const peer = subject.connect();
    subscribe(peer, { ref: "a" });
    const { epoch, offset } = peer.said.find((frame) => frame["type"] === "subscribed") as { epoch: string; offset: number };
    for (const [ref, more] of [["b", { since: 0 }], ["c", { since: offset, epoch: "another" }], ["d", { epoch: "another" }]] as const) subscribe(peer, { ref, ...more });
    const errors = peer.said.filter((frame) => frame["type"] === "error").map(({ code, ref, oldest, epoch }) => ({ code, ref, oldest, epoch }));
    const oldest = offset - 9;
    assert.deepEqual(errors, ["b", "c", "d"].map((ref) => ({ code: "UNKNOWN_OFFSET", ref, oldest, epoch })));
    subscribe(peer, { ref: "e", since: oldest - 1, epoch });
    await settle();
    assert.deepEqual(peer.take(), Array.from({ length: 30 }, (_, at) => at + 1).slice(-peer.said.filter((frame) => frame["type"] === "status").length));
  });
});
