import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ack, openSessions, settle, store, subscribe } from "./limits-fixture.ts";

describe("a tracked subscription", () => {
  it("has no more deliveries out than it may, and an ack brings the next from the journal", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { inFlight: 3 } });
    subscribe(peer);
    await store(subject, 1, 6);
    await settle();
    assert.deepEqual(peer.take(), [1, 2, 3]);
    ack(peer, 2);
    await settle();
    assert.deepEqual(peer.take(), [4]);
    ack(peer, 2, 99);
    await settle();
    assert.deepEqual(peer.take(), [], "what is not out frees nothing");
    ack(peer, 1, 3, 4);
    await settle();
    assert.deepEqual(peer.take(), [5, 6]);
    ack(peer, 5, 6);
    await store(subject, 7, 8);
    assert.deepEqual(peer.take(), [7, 8], "live again");
    assert.deepEqual(peer.closed, []);
  });

  it("sends again what is not acknowledged in time, and only that", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { redeliver: 5000 } });
    subscribe(peer);
    await store(subject, 1, 3);
    assert.deepEqual(peer.take(), [1, 2, 3]);
    ack(peer, 2);
    await subject.clock.advance(4900);
    assert.deepEqual(peer.take(), []);
    await subject.clock.advance(1200);
    assert.deepEqual(peer.take(), [1, 3]);
    ack(peer, 1);
    await subject.clock.advance(8000);
    assert.deepEqual(peer.take(), [], "the second pause is twice as long");
    await subject.clock.advance(2000);
    assert.deepEqual(peer.take(), [3]);
    ack(peer, 3);
    await subject.clock.advance(60_000);
    assert.deepEqual(peer.take(), []);
  });

  it("keeps deliveries of the same msgid from different senders apart", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { redeliver: 5000, inFlight: 2 } });
    subscribe(peer);
    for (const from of ["a", "b", "c"]) await subject.gateway.bus.deliver({ type: "status", from, msgid: "m1", payload: from });
    await settle();
    assert.deepEqual(peer.take(), ["a", "b"]);
    ack(peer, 1);
    await settle();
    assert.deepEqual(peer.take(), ["c"]);
    await subject.clock.advance(6000);
    assert.deepEqual(peer.take(), ["b", "c"]);
    ack(peer, 1, 1);
    await subject.clock.advance(20_000);
    assert.deepEqual(peer.take(), []);
  });

  it("waits for no ack of a message of qos 0", async () => {
    await using subject = await openSessions();
    for (const from of ["a", "b", "c"]) subject.gateway.bus.publish({ type: "status", from, payload: from, retain: true });
    await settle();
    const peer = subject.connect({ limits: { inFlight: 1, redeliver: 1000 } });
    subscribe(peer, { since: 0 });
    await settle();
    assert.deepEqual(peer.take(), ["a", "b", "c"]);
    await subject.clock.advance(10_000);
    assert.deepEqual(peer.take(), []);
  });

  it("gets what is published live once, also when it is read from the journal afterwards", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { inFlight: 1 } });
    subscribe(peer);
    await store(subject, 1, 2);
    subject.gateway.bus.publish({ type: "status", from: "live", payload: "live", retain: true });
    await store(subject, 3, 3);
    ack(peer, 1);
    await settle();
    ack(peer, 2);
    await settle();
    ack(peer, 3);
    assert.deepEqual(peer.take(), [1, "live", 2, 3]);
  });

  it("forgets what is out when it ends", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { redeliver: 1000 } });
    subscribe(peer);
    await store(subject, 1, 1);
    peer.send({ type: "unsubscribe", topic: "status/#" });
    assert.deepEqual(peer.take(), [1]);
    await subject.clock.advance(5000);
    await store(subject, 2, 2);
    assert.deepEqual(peer.take(), []);
  });
});

describe("a slow reader", () => {
  it("gets stored messages from the journal when it has room again, none missing and none twice", async () => {
    await using subject = await openSessions();
    const peer = subject.connect({ limits: { buffer: 1000 } });
    subscribe(peer, { qos: 0 });
    await store(subject, 1, 2);
    peer.buffered = 500; // more than a quarter
    await store(subject, 3, 200);
    assert.deepEqual(peer.take(), [1, 2]);
    peer.buffered = 0;
    for (let round = 0; round < 20; round++) await subject.clock.advance(20);
    await store(subject, 201, 201);
    assert.deepEqual(peer.take(), Array.from({ length: 199 }, (_, at) => at + 3));
    assert.deepEqual(peer.closed, []);
  });

  it("is ended with 4008 by what it has no room for, or loses it, as the listener says", async () => {
    for (const slowConsumer of ["disconnect", "drop-newest"] as const) {
      await using subject = await openSessions();
      const peer = subject.connect({ limits: { buffer: 1000, slowConsumer } });
      subscribe(peer, { qos: 0 });
      peer.buffered = 1001;
      subject.gateway.bus.publish({ type: "status", from: "src", payload: 1 });
      assert.deepEqual(peer.closed, slowConsumer === "disconnect" ? [4008] : []);
      assert.equal(subject.gateway.metric('busbar_dropped_total{of="peers",reason="slow-consumer"}'), 1);
      peer.buffered = 0;
      subject.gateway.bus.publish({ type: "status", from: "src", payload: 2 });
      assert.deepEqual(peer.take(), slowConsumer === "disconnect" ? [] : [2]);
    }
  });

  it("that is ended by what it is handed at once leaves no subscription behind", async () => {
    await using subject = await openSessions();
    for (const from of ["a", "b"]) subject.gateway.bus.publish({ type: "status", from, payload: from, retain: true });
    const before = subject.gateway.metric("busbar_subscriptions");
    const peer = subject.connect({ limits: { buffer: 1000 }, principal: { id: "app", roles: [], groups: [], user: true } });
    const said = peer.said.push.bind(peer.said);
    peer.said.push = (...frames) => {
      peer.buffered += 2000;
      return said(...frames);
    };
    subscribe(peer);
    assert.deepEqual(peer.closed, [4008]);
    assert.equal(subject.gateway.metric("busbar_subscriptions"), before);
  });

  it("is told UNKNOWN_OFFSET when retention has overtaken it, and the subscription ends", async () => {
    await using subject = await openSessions({ memoryJournalLimit: 10 });
    const peer = subject.connect({ limits: { inFlight: 1 } });
    subscribe(peer, { ref: "r" });
    await store(subject, 1, 30);
    ack(peer, 1);
    await settle();
    const error = peer.said.find((frame) => frame["type"] === "error");
    assert.deepEqual([error?.["code"], error?.["ref"], peer.take(), peer.closed], ["UNKNOWN_OFFSET", "r", [1], []]);
    await store(subject, 31, 31);
    assert.deepEqual(peer.take(), []);
  });
});
