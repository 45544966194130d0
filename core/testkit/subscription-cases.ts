import assert from "node:assert/strict";
import type { SessionCases } from "./session-suite.ts";

/** The part of the session suite that is about subscriptions (WIRE §2). */
export function subscriptionCases({ it, login }: SessionCases): void {
  it("delivers what is subscribed to, with every kind of payload", async ({ gateway }, connect) => {
    const peer = await login(connect, "app");
    peer.send({ kind: "subscribe", topic: "status/#", qos: 0, ref: "r" });
    const subscribed = await peer.next();
    assert.deepEqual([subscribed.type, subscribed["topic"], subscribed["ref"], typeof subscribed["offset"]], ["subscribed", "status/#", "r", "number"]);
    const payloads: readonly unknown[] = [null, true, -1.5, 2 ** 53, "ü\n\"\u2028🙂", [], { a: { b: [1, { c: null }] } }, new Uint8Array([0, 1, 255]), "x".repeat(70_000), new Uint8Array(200_000).fill(7)];
    for (const [at, payload] of payloads.entries()) gateway.bus.publish({ type: "status", from: `d/${at}`, payload, msgid: `ü"${at}` });
    for (const [at, payload] of payloads.entries()) {
      const frame = await peer.next("status");
      assert.deepEqual([frame["ver"], frame["msgid"], frame["from"], frame["to"], frame["qos"], frame["retain"]], ["1.0", `ü"${at}`, `d/${at}`, "server", 0, false]);
      assert.deepEqual(frame["payload"], payload);
    }
  });

  it("delivers a message once however many patterns match it, and no more after unsubscribe", async ({ gateway }, connect) => {
    const peer = await login(connect, "app");
    for (const topic of ["status/#", "status/d-1", "+/d-1"]) peer.send({ kind: "subscribe", topic, qos: 0 });
    for (let count = 0; count < 3; count++) await peer.next("subscribed");
    gateway.bus.publish({ type: "status", from: "d-1", payload: 1 });
    gateway.bus.publish({ type: "status", from: "d-1", payload: 2 });
    assert.equal((await peer.next())["payload"], 1);
    assert.equal((await peer.next())["payload"], 2);
    for (const topic of ["status/#", "status/d-1", "+/d-1"]) peer.send({ kind: "unsubscribe", topic });
    for (let count = 0; count < 3; count++) assert.equal((await peer.next()).type, "unsubscribed");
    gateway.bus.publish({ type: "status", from: "d-1", payload: 3 });
    peer.send({ kind: "ping" });
    assert.equal((await peer.next()).type, "pong");
  });

  it("refuses a ref that is in use", async (_subject, connect) => {
    const peer = await login(connect, "app");
    peer.send({ kind: "subscribe", topic: "status/a", qos: 0, ref: "r" });
    peer.send({ kind: "subscribe", topic: "status/b", qos: 0, ref: "r" });
    const error = await peer.next("error");
    assert.deepEqual([error["code"], error["ref"]], ["DUPLICATE_REF", "r"]);
  });

  it("hands over retained values first", async ({ gateway }, connect) => {
    gateway.bus.publish({ type: "status", from: "d-1", payload: "old", retain: true });
    gateway.bus.publish({ type: "status", from: "d-1", payload: "kept", retain: true });
    gateway.bus.publish({ type: "status", from: "d-2", payload: "gone", retain: true });
    gateway.bus.publish({ type: "status", from: "d-2", payload: null, retain: true });
    const peer = await login(connect, "app");
    peer.send({ kind: "subscribe", topic: "status/+", qos: 0 });
    await peer.next("subscribed");
    gateway.bus.publish({ type: "status", from: "d-3", payload: "live" });
    const first = await peer.next();
    assert.deepEqual([first["payload"], first["retain"]], ["kept", true]);
    assert.equal((await peer.next())["payload"], "live");
  });

  it("resumes after an offset with no gap and no double, while messages go on arriving", async ({ gateway }, connect) => {
    const total = 3000;
    const send = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++) await gateway.bus.deliver({ type: "status", from: "d-1", payload: n });
    };
    await send(0, 1000);
    const peer = await login(connect, "app");
    peer.send({ kind: "subscribe", topic: "status/#", qos: 0, since: 0 });
    const sending = send(1000, total);
    let last = 0;
    for (let n = 0; n < total; n++) {
      const frame = await peer.next("status");
      assert.equal(frame["payload"], n);
      assert.ok((frame["offset"] as number) > last, "offsets increase");
      last = frame["offset"] as number;
    }
    await sending;
  });

  it("says what its offsets are of, and where to go on, to who asks for an offset that the journal does not hold", async ({ gateway }, connect) => {
    await gateway.bus.deliver({ type: "status", from: "d-1", payload: 1 });
    const peer = await login(connect, "app");
    peer.send({ kind: "subscribe", topic: "event/#", qos: 0 });
    const { epoch, offset } = await peer.next("subscribed") as { epoch?: string; offset?: number };
    assert.ok(typeof epoch === "string" && epoch !== "");
    for (const [ref, more] of [["future", { since: 1_000_000 }], ["elsewhere", { since: offset!, epoch: "another" }]] as const) {
      peer.send({ kind: "subscribe", topic: "status/#", qos: 0, ref, ...more });
      const error = await peer.next("error");
      assert.deepEqual([error["code"], error["ref"], error["oldest"], error["epoch"]], ["UNKNOWN_OFFSET", ref, 1, epoch]);
    }
    peer.send({ kind: "subscribe", topic: "status/#", qos: 0, since: 0, epoch });
    assert.equal((await peer.next("status"))["payload"], 1);
  });

  it("repeats a delivery of qos 1 until its very offset is acknowledged", async ({ gateway }, connect) => {
    const peer = await login(connect, "app");
    peer.send({ kind: "subscribe", topic: "status/#", qos: 1 });
    await peer.next("subscribed");
    for (const from of ["a", "b"]) await gateway.bus.deliver({ type: "status", from, msgid: "same", payload: from });
    const first = await peer.next("status");
    const second = await peer.next("status");
    peer.send({ kind: "ack", msgid: "same", offset: second["offset"] as number });
    const again = await peer.next("status");
    assert.deepEqual([again["payload"], again["offset"]], ["a", first["offset"]]);
  });

  it("takes an overflow policy with a subscription, and refuses one that is none", async ({ gateway }, connect) => {
    const peer = await login(connect, "app");
    peer.send({ kind: "subscribe", topic: "status/#", qos: 0, overflow: "latest", limit: 10 });
    await peer.next("subscribed");
    gateway.bus.publish({ type: "status", from: "d-1", payload: 1 });
    assert.equal((await peer.next())["payload"], 1);
    peer.send({ kind: "subscribe", topic: "event/#", qos: 0, overflow: "drop" as "latest" });
    assert.equal((await peer.next("error"))["code"], "BAD_FRAME");
  });
}
