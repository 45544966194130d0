import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { commandFor, envelopeJson, envelopeProto, varintFraming } from "@busbar/core";
import { UserInformSchema, UserOrderSchema } from "@busbar/core/proto/gen/busbar/v1/devices_pb.ts";
import { createPeer, PeerDriver, until, type SessionPeer } from "@busbar/core/testkit";
import { WebSocket } from "ws";
import type { Urls } from "./faults/gateway-process.ts";
import { createRig, type Rig } from "./faults/rig.ts";

const runtime = { name: "the one under test", command: commandFor };
const patience = 20_000;

const overWebSocket = (urls: Urls): Promise<SessionPeer> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(urls.get("WebSocket")!, "busbar.v1.json");
    const peer = createPeer({ sendBytes: (bytes) => ws.send(Buffer.from(bytes).toString()), destroy: () => ws.terminate() });
    ws.on("message", (data: Buffer) => peer.arrived(new Uint8Array(data)));
    ws.on("close", (code) => peer.ended(code));
    ws.on("error", reject);
    ws.once("open", () => resolve(peer));
  });

const overTcp = (urls: Urls, what = "TCP protobuf (envelope)"): Promise<SessionPeer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(urls.get(what)!);
    const socket = connect(Number(port), hostname);
    const deframer = varintFraming.createDeframer(1 << 20);
    const peer = createPeer({ sendBytes: (bytes) => void socket.write(varintFraming.frame(bytes)), destroy: () => socket.destroy() });
    socket.on("data", (chunk) => deframer.push(chunk, (bytes, start, end) => peer.arrived(bytes.slice(start, end))));
    socket.on("close", () => peer.ended(undefined));
    socket.on("error", reject);
    socket.once("connect", () => resolve(peer));
  });

const transports = {
  "ws-lamp": async (urls: Urls) => new PeerDriver(await overWebSocket(urls), envelopeJson),
  "tcp-lamp": async (urls: Urls) => new PeerDriver(await overTcp(urls), envelopeProto),
} as const;

async function login(rig: Rig, id: string, peer: PeerDriver): Promise<PeerDriver> {
  peer.send({ kind: "auth", deviceId: id, token: await rig.tokenFor(id) });
  await peer.next("auth_response");
  return peer;
}

/** Asks the API as `app`. */
async function ask(rig: Rig, urls: Urls, path: string, body?: object): Promise<[number, any]> {
  const headers = { authorization: `Bearer ${await rig.tokenFor("app")}`, "content-type": "application/json" };
  const response = await fetch(`${urls.get("HTTP API")!}/api/${path}`, body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) });
  return [response.status, await response.json()];
}

test("a command survives SIGKILL until its device has answered, and then its answer does, over WebSocket and TCP", async () => {
  await using rig = await createRig({ runtime, gateway: { presenceGrace: "1s" } });
  const ids = Object.keys(transports) as (keyof typeof transports)[];
  const give = (urls: Urls, id: string) => ask(rig, urls, `devices/${id}/commands`, { payload: { on: true }, msgid: `c-${id}`, ttl: 600, replace: "power" });

  const first = rig.start();
  for (const id of ids) assert.deepEqual(await give(await first.ready, id), [202, { msgid: `c-${id}`, state: "queued" }]);
  await first.kill();

  const second = rig.start();
  const handed = new Map<string, unknown>();
  for (const id of ids) {
    assert.equal((await ask(rig, await second.ready, `commands/c-${id}`))[1].state, "queued");
    const device = await login(rig, id, await transports[id](await second.ready));
    handed.set(id, await device.next("command"));
  }
  await until("it is noted that they were sent, which is written behind it", async () => {
    const [, { messages }] = await ask(rig, await second.ready, "messages?topic=command-sent/gateway");
    return messages.flatMap((one: any) => one.payload.commands).length === ids.length;
  });
  await second.kill(); // before any of them has answered

  const third = rig.start();
  const urls = await third.ready;
  const answered = ids.map(async (id) => {
    assert.equal((await ask(rig, urls, `commands/c-${id}`))[1].state, "sent");
    const device = await login(rig, id, await transports[id](urls));
    assert.deepEqual(await device.next("command"), handed.get(id), "the same command, field by field");
    const over = ask(rig, urls, `devices/${id}/commands`, { payload: { on: true }, msgid: `c-${id}`, wait: patience });
    device.send({ kind: "ack", msgid: `c-${id}`, status: "ok", payload: { was: id } });
    const [status, { state, result }] = await over;
    assert.deepEqual([status, state, result], [200, "done", { was: id }]);
  });
  await Promise.all(answered);
  await third.kill();

  const fourth = rig.start();
  for (const id of ids) {
    const [status, { state, result }] = await give(await fourth.ready, id);
    assert.deepEqual([status, state, result], [200, "done", { was: id }]);
  }
  const app = await login(rig, "app", await transports["ws-lamp"](await fourth.ready));
  app.publish({ type: "command", to: "tcp-lamp", msgid: "c-tcp-lamp", qos: 1, payload: { on: true } });
  await app.next("ack");
  assert.deepEqual((await app.next("ack"))["payload"], { msgid: "c-tcp-lamp", status: "ok", result: { was: "tcp-lamp" } });
  const device = await login(rig, "ws-lamp", await transports["ws-lamp"](await fourth.ready));
  device.send({ kind: "ping" });
  assert.equal((await device.next()).type, "pong", "what is answered does not come again");

  app.send({ kind: "subscribe", topic: "event/tcp-lamp/presence", qos: 0 });
  for (let presence: unknown; presence !== "offline"; ) presence = ((await app.next("event"))["payload"] as { presence: string }).presence; // it was online when the gateway was killed, and has not come back
});

test("a command reaches a device whose protocol knows no answers at most once, whenever the gateway is killed", async () => {
  await using rig = await createRig({ runtime, plugins: { users: { use: "tcp-protobuf", port: 0, codec: "user-inform" } } });
  const what = "TCP protobuf (user-inform)";
  const received: number[] = [];
  const speak = async (urls: Urls): Promise<void> => {
    const peer = await overTcp(urls, what);
    const take = (): void => {
      for (const bytes of peer.inbox.splice(0)) received.push(fromBinary(UserOrderSchema, bytes).order);
    };
    peer.onChange = take;
    peer.sendBytes(toBinary(UserInformSchema, create(UserInformSchema, { userId: 7, sensorType: 1, sensorId: 1, sensorValue: 1 })));
  };
  const cycles = 6;
  for (let cycle = 0; cycle < cycles; cycle++) {
    const gateway = rig.start();
    const urls = await gateway.ready;
    for (const order of [2 * cycle, 2 * cycle + 1]) assert.equal((await ask(rig, urls, "devices/user%2F7/commands", { payload: { order }, msgid: `c-${order}` }))[0], 202);
    await speak(urls);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 12)); // the moment of the kill is the point of this test
    await gateway.kill();
  }
  const last = rig.start();
  const urls = await last.ready;
  const newest = 2 * cycles; // comes after all others, in a life that is not cut short
  assert.equal((await ask(rig, urls, "devices/user%2F7/commands", { payload: { order: newest }, msgid: `c-${newest}` }))[0], 202);
  await speak(urls);
  const stateOf = async (order: number): Promise<string> => (await ask(rig, urls, `commands/c-${order}`))[1].state;
  await until("the newest command is done and received", async () => received.includes(newest) && (await stateOf(newest)) === "done", { within: 60_000, show: () => received });
  const states = new Map<number, string>();
  for (let order = 0; order < newest; order++) states.set(order, await stateOf(order));
  assert.equal(new Set(received).size, received.length, `handed over twice: ${received}`);
  for (const [order, state] of states) assert.ok(state === "done" || state === "sent", `command ${order} is ${state}`); // sent: noted, and the kill came before it was known to have gone
});
