import assert from "node:assert/strict";
import { createMessage, type Draft } from "../envelope.ts";
import type { PeerDriver, ServerFrame } from "./session-peer.ts";
import type { SessionCases } from "./session-suite.ts";
import type { TestGateway } from "./test-plugin.ts";

/** The part of the session suite that is about last wills (WIRE §2). */
export function willCases({ it, login, closedWith }: SessionCases): void {
  const auth = (peer: PeerDriver, token: string, will: Draft): void => {
    const message = createMessage({ ...will, qos: 0 });
    message.qos = will.qos ?? 0; // without a msgid, which a client's own codec may leave out here
    peer.send({ kind: "auth", deviceId: token.split(":")[0]!, token, will: message });
  };
  const loginWith = async (connect: () => Promise<PeerDriver>, will: Draft, token = "d-1"): Promise<PeerDriver> => {
    const peer = await connect();
    auth(peer, token, will);
    await peer.next("auth_response");
    return peer;
  };
  const will = (more: Partial<Draft> = {}): Draft => ({ type: "event", payload: "gone", ...more });
  const heard = (gateway: TestGateway): unknown[] => {
    const all: unknown[] = [];
    gateway.bus.subscribe("event/d-1", ({ payload }) => void all.push(payload));
    return all;
  };

  for (const qos of [0, 1] as const) {
    it(`publishes the last will of a peer that is gone without a goodbye, with qos ${qos}`, async ({ gateway }, connect) => {
      const peer = await loginWith(connect, will({ qos, retain: true }));
      const arrived = gateway.next("event/d-1");
      peer.destroy();
      const { from, payload, qos: said, retain, timestamp } = await arrived;
      assert.deepEqual([from, payload, said, retain], ["d-1", "gone", qos, true]);
      assert.ok(Math.abs(timestamp - Date.now()) < 60_000, "it happened when the peer was gone");
    });
  }

  it("forgets the last will of a peer that says goodbye", async ({ gateway }, connect) => {
    const all = heard(gateway);
    const peer = await loginWith(connect, will());
    peer.send({ kind: "disconnect" });
    await closedWith(peer, 1000);
    const next = await loginWith(connect, will({ payload: "second" }));
    const arrived = gateway.next("event/d-1");
    next.destroy();
    await arrived;
    assert.deepEqual(all, ["second"]);
  });

  it("publishes the last will of a peer that breaks the protocol, and of one that a newer connection replaces, before that is let in", async ({ gateway }, connect) => {
    const all = heard(gateway);
    const broken = await loginWith(connect, will({ payload: "broken" }));
    broken.sendBytes(new Uint8Array([0xff, 0xff, 0xff, 0xff]));
    await closedWith(broken, 4400);
    assert.deepEqual(all, ["broken"]);
    const older = await loginWith(connect, will({ payload: "replaced" }));
    await login(connect, "d-1");
    assert.deepEqual(all, ["broken", "replaced"]);
    await closedWith(older, 4009);
  });

  it("keeps the last will over a second auth frame, unless that brings another", async ({ gateway }, connect) => {
    const all = heard(gateway);
    const peer = await loginWith(connect, will({ payload: "first" }));
    peer.auth("d-1");
    await peer.next("auth_response");
    auth(peer, "d-1", will({ payload: "second" }));
    await peer.next("auth_response");
    peer.auth("d-1");
    await peer.next("auth_response");
    const arrived = gateway.next("event/d-1");
    peer.destroy();
    await arrived;
    assert.deepEqual(all, ["second"]);
  });

  it("lets nobody in with a last will that it may not publish", async (_subject, connect) => {
    for (const [token, more] of [["d-1", { from: "d-2" }], ["d-1:none", {}]] as const) {
      const peer = await connect();
      auth(peer, token, will(more));
      assert.equal((await peer.next("error"))["code"], "FORBIDDEN");
      await closedWith(peer, 4403);
    }
  });

  it("shows last wills to nobody, and lets nobody make up one", async ({ gateway }, connect) => {
    const app = await login(connect, "app");
    app.send({ kind: "subscribe", topic: "#", qos: 0, since: 0 });
    await app.next("subscribed");
    await loginWith(connect, will());
    app.send({ kind: "subscribe", topic: "+/#", qos: 0 });
    app.send({ kind: "subscribe", topic: "will/#", qos: 0, ref: "r" });
    app.send({ kind: "ping" });
    const frames: ServerFrame[] = [];
    for (let frame = await app.next(); frame.type !== "pong"; frame = await app.next()) frames.push(frame);
    await gateway.bus.deliver({ type: "status", from: "last", payload: 1 });
    for (let frame = await app.next(); frame["from"] !== "last"; frame = await app.next()) frames.push(frame);
    assert.deepEqual(frames.filter(({ type }) => type === "error").map(({ code, ref }) => [code, ref]), [["FORBIDDEN", "r"]]);
    assert.deepEqual(new Set(frames.map(({ type }) => type)), new Set(["audit", "event", "subscribed", "error"]));
    assert.throws(() => createMessage({ type: "will", payload: 1 }));
  });

  it("has the last wills of all in the journal before the gateway ends", async ({ gateway }, connect) => {
    const peer = await loginWith(connect, will({ qos: 1, payload: "shut down" }));
    const arrived = gateway.next("event/d-1");
    await Promise.all([gateway.stop(), closedWith(peer, 1001)]);
    assert.equal((await arrived).payload, "shut down");
  });
}
