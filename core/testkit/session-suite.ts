import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CodecFactory } from "../codec.ts";
import { createMessage, type Draft } from "../envelope.ts";
import { PeerDriver, type ServerFrame, type SessionPeer } from "./session-peer.ts";
import { subscriptionCases } from "./subscription-cases.ts";
import type { TestGateway } from "./test-plugin.ts";
import { willCases } from "./will-cases.ts";

/** A gateway with one listener, and a way to connect to it. */
export interface SessionSubject extends AsyncDisposable {
  readonly gateway: TestGateway;
  connect(): Promise<SessionPeer>;
}

/** How the listener under test differs. */
export interface SessionSuiteOptions {
  readonly codec: CodecFactory;
  /** Whether the transport has close codes. */
  readonly closeCodes: boolean;
  /** Cases that do not hold for it, by name, each with its reason. */
  readonly skip?: Readonly<Record<string, string>>;
}

/** What the cases of the suite are written with. */
export interface SessionCases {
  /** A case: it gets a gateway and a way to connect to it. */
  readonly it: (title: string, run: (subject: SessionSubject, connect: () => Promise<PeerDriver>) => Promise<void>) => void;
  /** Connects and logs in. */
  readonly login: (connect: () => Promise<PeerDriver>, token: string) => Promise<PeerDriver>;
  /** Waits for the end, and checks the close code where the transport has one. */
  readonly closedWith: (peer: PeerDriver, code: number) => Promise<void>;
}

/**
 * What every session must do, whatever its transport and encoding (WIRE §1, §2). `open` starts a gateway with `openAuthority` and one listener whose authTimeout and
 * redeliver are 200 ms; the suite disposes of it after each case.
 */
export function sessionSuite(name: string, open: () => Promise<SessionSubject>, options: SessionSuiteOptions): void {
  const it = (title: string, run: (subject: SessionSubject, connect: () => Promise<PeerDriver>) => Promise<void>): void => {
    const reason = options.skip?.[title];
    test(title, reason === undefined ? {} : { skip: reason }, async () => {
      await using subject = await open();
      await run(subject, async () => new PeerDriver(await subject.connect(), options.codec));
    });
  };
  const login = async (connect: () => Promise<PeerDriver>, token: string): Promise<PeerDriver> => {
    const peer = await connect();
    peer.auth(token);
    await peer.next("auth_response");
    return peer;
  };
  const closedWith = async (peer: PeerDriver, code: number): Promise<void> => {
    const { code: seen } = await peer.end();
    if (options.closeCodes) assert.equal(seen, code);
  };
  const session: SessionCases = { it, login, closedWith };
  const status = (payload: unknown, more: Partial<Draft> = {}): Draft => ({ type: "status", payload, ...more });
  const envelope = ({ type, payload, from, to, qos }: ServerFrame): unknown => ({ type, payload, from, to, qos });

  describe(`session over ${name}`, () => {
    it("answers auth and takes what the client sent before it had read anything", async ({ gateway }, connect) => {
      const arrived = gateway.next("status/d-1");
      const peer = await connect();
      peer.auth("d-1");
      peer.publish(status({ t: 23.5 }));
      const answer = await peer.next();
      assert.deepEqual([answer.type, answer["status"], typeof answer["timestamp"]], ["auth_response", "success", "number"]);
      const message = await arrived;
      assert.deepEqual([message.from, message.to, message.topic, message.payload, message.timestamp], ["d-1", "server", "status/d-1", { t: 23.5 }, 1]);
    });

    it("closes with 4401 when no authentication comes in time", async (_subject, connect) => closedWith(await connect(), 4401));

    it("closes with 4401 when the first frame is not auth", async (_subject, connect) => {
      const peer = await connect();
      peer.publish(status(1));
      await closedWith(peer, 4401);
    });

    it("closes with 4403 when authentication fails", async (_subject, connect) => {
      const peer = await connect();
      peer.auth("d-1", "d-2");
      await closedWith(peer, 4403);
    });

    it("closes with 4400 on bytes that do not decode, and nobody else notices", async ({ gateway }, connect) => {
      const other = await login(connect, "other");
      const peer = await login(connect, "d-1");
      peer.sendBytes(new Uint8Array([0xff, 0xff, 0xff, 0xff]));
      await closedWith(peer, 4400);
      const arrived = gateway.next("status/other");
      other.publish(status(1));
      await arrived;
    });

    it("answers an invalid frame with BAD_FRAME and closes with 4400 at the third in a row", async ({ gateway }, connect) => {
      const peer = await login(connect, "d-1");
      const bad = (): void => peer.send({ kind: "subscribe", topic: "a/#/b", qos: 0 });
      bad();
      bad();
      const arrived = gateway.next("status/d-1");
      peer.publish(status(1)); // a good one between them starts the count anew
      await arrived;
      for (let count = 0; count < 2; count++) assert.equal((await peer.next("error"))["code"], "BAD_FRAME");
      for (let count = 0; count < 3; count++) bad();
      await closedWith(peer, 4400);
    });

    it("refuses a sender who speaks for somebody else, and lets one speak for what lies below it", async ({ gateway }, connect) => {
      const peer = await login(connect, "home-7");
      peer.publish(status(1, { from: "home-70", msgid: "x" }));
      const error = await peer.next("error");
      assert.deepEqual([error["code"], error["msgid"]], ["FORBIDDEN", "x"]);
      const arrived = gateway.next("status/home-7/lamp");
      peer.publish(status(2, { from: "home-7/lamp" }));
      assert.equal((await arrived).payload, 2);
      assert.equal(gateway.metric('busbar_refused_total{reason="FORBIDDEN"}'), 1);
    });

    it("refuses what no role grants, to publish and to subscribe", async ({ gateway }, connect) => {
      const peer = await login(connect, "d-1:none");
      peer.publish(status(1));
      assert.equal((await peer.next("error"))["code"], "FORBIDDEN");
      peer.send({ kind: "subscribe", topic: "#", qos: 0, ref: "all" });
      const error = await peer.next("error");
      assert.deepEqual([error["code"], error["ref"]], ["FORBIDDEN", "all"]);
      assert.ok(gateway.log.some((line) => line.message === "refused" && line.fields["id"] === "d-1"));
    });

    it("acknowledges qos 1 and 2 once they are stored, and the same msgid again without delivering it again", async ({ gateway }, connect) => {
      const peer = await login(connect, "d-1");
      let count = 0;
      gateway.bus.subscribe("status/d-1", () => void count++);
      for (const qos of [1, 2] as const) {
        for (let time = 0; time < 3; time++) {
          peer.publish(status(1, { msgid: `m${qos}`, qos }));
          const ack = await peer.next("ack");
          assert.deepEqual([ack["msgid"], ack["status"]], [`m${qos}`, "ok"]);
        }
      }
      assert.equal(count, 2);
    });

    it("takes a batch and answers each message of qos 1", async ({ gateway }, connect) => {
      const peer = await login(connect, "d-1");
      if (options.codec.name === "busbar.v1.json") peer.sendBytes(new TextEncoder().encode('{"type":"batch","data":[{"type":"status","payload":1},{"type":"status","payload":2,"qos":1,"msgid":"b"}]}'));
      else peer.sendBytes(batchOf([protoEnvelope(options.codec, status(1)), protoEnvelope(options.codec, status(2, { qos: 1, msgid: "b" }))]));
      assert.equal((await peer.next("ack"))["msgid"], "b");
      assert.equal(gateway.metric('busbar_received_total{qos="1"}'), 1);
    });

    subscriptionCases(session);
    willCases(session);

    it("brings a command to its device without a subscription, and the answer back", async ({ gateway }, connect) => {
      const device = await login(connect, "lamp-1");
      const answer = gateway.bus.request({ type: "command", to: "lamp-1", payload: { on: true }, msgid: "c1", qos: 1 }, { signal: AbortSignal.timeout(20_000) });
      const command = await device.next("command");
      assert.deepEqual(envelope(command), { type: "command", payload: { on: true }, from: "gateway", to: "lamp-1", qos: 1 });
      device.send({ kind: "ack", msgid: "c1", status: "ok", payload: { on: true } });
      assert.deepEqual((await answer).payload, { msgid: "c1", status: "ok", result: { on: true } });
    });

    it("keeps a command for a device that is away, and sends it again until it is answered", async ({ gateway }, connect) => {
      await gateway.bus.deliver({ type: "command", to: "lamp-1", payload: { on: true }, msgid: "c1" });
      const first = await login(connect, "lamp-1");
      assert.equal((await first.next("command"))["msgid"], "c1");
      first.destroy();
      const second = await login(connect, "lamp-1");
      assert.equal((await second.next("command"))["msgid"], "c1");
      const answered = gateway.next("ack/gateway");
      second.send({ kind: "ack", msgid: "c1", status: "error", payload: "no bulb" });
      assert.deepEqual((await answered).payload, { msgid: "c1", status: "error", result: "no bulb" });
      const third = await login(connect, "lamp-1");
      third.send({ kind: "ping" });
      assert.equal((await third.next()).type, "pong");
    });

    it("brings a command again on the next connection when it was acknowledged without an answer, each time the same", async ({ gateway }, connect) => {
      const expires = Date.now() + 60_000;
      await gateway.bus.deliver({ type: "command", to: "lamp-1", payload: { on: true }, msgid: "c1", expires, replace: 'power "ü"' });
      const seen: unknown[] = [];
      for (let time = 0; time < 2; time++) {
        const device = await login(connect, "lamp-1");
        seen.push(await device.next("command"));
        device.send({ kind: "ack", msgid: "c1" });
        device.send({ kind: "ping" });
        assert.equal((await device.next()).type, "pong");
        device.destroy();
      }
      assert.deepEqual(seen[1], seen[0]);
      const { expires: deadline, replace, offset } = seen[0] as ServerFrame;
      assert.deepEqual([deadline, replace, typeof offset], [expires, 'power "ü"', "number"]);
    });

    it("sends only the last of several commands that replace each other", async ({ gateway }, connect) => {
      for (const n of [1, 2, 3]) await gateway.bus.deliver({ type: "command", to: "lamp-1", payload: n, msgid: `c${n}`, replace: "brightness" });
      const device = await login(connect, "lamp-1");
      assert.equal((await device.next("command"))["payload"], 3);
      device.send({ kind: "ping" });
      assert.equal((await device.next()).type, "pong");
    });

    it("acknowledges a command that is asked again, and gives the stored answer with it", async (_subject, connect) => {
      const device = await login(connect, "lamp-1");
      const app = await login(connect, "app");
      const order: Draft = { type: "command", to: "lamp-1", payload: { on: true }, msgid: "c1", qos: 1 };
      app.publish(order);
      assert.equal((await app.next("ack"))["msgid"], "c1");
      assert.equal((await device.next("command"))["msgid"], "c1");
      app.send({ kind: "subscribe", topic: "ack/app", qos: 0 });
      await app.next("subscribed");
      device.send({ kind: "ack", msgid: "c1", status: "ok", payload: 7 });
      const answer = await app.next("ack");
      assert.deepEqual([answer["from"], answer["payload"]], ["lamp-1", { msgid: "c1", status: "ok", result: 7 }]);
      app.destroy();
      const again = await login(connect, "app");
      again.publish(order);
      assert.equal((await again.next("ack"))["msgid"], "c1");
      assert.deepEqual(await again.next("ack"), answer);
      device.send({ kind: "ping" });
      assert.equal((await device.next()).type, "pong", "the device does not hear of it");
    });

    it("brings a command for all to each device, also to one that comes later", async ({ gateway }, connect) => {
      const first = await login(connect, "lamp-1");
      await gateway.bus.deliver({ type: "command", to: "all", payload: 1, msgid: "c1" });
      const second = await login(connect, "lamp-2");
      for (const device of [first, second]) assert.equal((await device.next("command"))["msgid"], "c1");
    });

    it("replaces the older connection of a device with 4009", async ({ gateway }, connect) => {
      const older = await login(connect, "d-1");
      await login(connect, "d-1");
      await closedWith(older, 4009);
      assert.equal(gateway.metric("busbar_devices_online"), 1);
    });

    it("tells who is there, also when a connection dies without a word", async ({ gateway }, connect) => {
      const online = gateway.next("event/d-1/presence");
      const peer = await login(connect, "d-1");
      assert.equal(((await online).payload as { presence: string }).presence, "online");
      const offline = gateway.next("event/d-1/presence");
      peer.destroy();
      const { payload, retain } = await offline;
      assert.deepEqual([(payload as { presence: string }).presence, retain], ["offline", true]);
    });

    it("closes with 1001 when the gateway stops", async ({ gateway }, connect) => {
      const peer = await login(connect, "d-1");
      await Promise.all([gateway.stop(), closedWith(peer, 1001)]);
    });
  });
}

function protoEnvelope(codec: CodecFactory, draft: Draft): Uint8Array {
  const frame = codec.create().encodeMessage(createMessage({ msgid: "m", timestamp: 1, ...draft }), undefined)!;
  return frame.subarray(2); // Frame{envelope} has one tag byte and, below 128 bytes, one length byte
}

/** Frame{batch{data…}} of short envelopes, put together by hand (protobuf.dev/programming-guides/encoding). */
function batchOf(envelopes: readonly Uint8Array[]): Uint8Array {
  const data = envelopes.flatMap((one) => [0x0a, one.length, ...one]);
  return Uint8Array.from([0x22, ...(data.length < 128 ? [data.length] : [(data.length & 127) | 128, data.length >> 7]), ...data]);
}
