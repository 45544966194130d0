import assert from "node:assert/strict";
import { test } from "node:test";
import { openAuthority } from "@busbar/core/testkit";
import { openListener } from "./testing/listener.ts";
import { rawFrame } from "./testing/raw-client.ts";

test("websocket speaks JSON when no subprotocol is offered, and says nothing about one", async () => {
  await using listener = await openListener();
  const client = await listener.connect("d-1", []);
  assert.equal(client.ws.protocol, "");
});

test("websocket takes the first subprotocol on offer that it knows", async () => {
  await using listener = await openListener();
  const choice = async (...offered: string[]): Promise<string> => (await listener.connect(undefined, offered)).ws.protocol;
  assert.equal(await choice("busbar.v1.json"), "busbar.v1.json");
  assert.equal(await choice("busbar.v1.proto"), "busbar.v1.proto");
  assert.equal(await choice("busbar.v1.proto", "busbar.v1.json"), "busbar.v1.proto");
  assert.equal(await choice("mqtt", "busbar.v1.json", "busbar.v1.proto"), "busbar.v1.json");
});

test("websocket agrees to no subprotocol that it does not know (RFC 6455 §4.2.2): the client then ends the connection", async () => {
  await using listener = await openListener();
  await assert.rejects(listener.connect(undefined, ["mqtt"]), /Server sent no subprotocol/);
  const raw = listener.socket();
  raw.upgrade("/ws", { headers: ["Sec-WebSocket-Protocol: mqtt"] });
  assert.doesNotMatch(await raw.upgraded, /Sec-WebSocket-Protocol/i);
});

test("websocket takes frames that come in the same segment as the upgrade request", async () => {
  await using listener = await openListener();
  const arrived = listener.gateway.next("status/d-1");
  const raw = listener.socket();
  raw.upgrade("/ws", { frames: [{ type: "auth", deviceId: "d-1", token: "d-1" }, { type: "status", payload: 7 }].map((frame) => rawFrame(1, JSON.stringify(frame))) });
  assert.equal((await raw.json("auth_response"))["status"], "success");
  assert.equal((await arrived).payload, 7);
});

test("websocket takes thousands of frames that come before the authority has answered", async () => {
  let admit = (): void => {};
  const asked = new Promise<void>((resolve) => (admit = resolve));
  const authority = openAuthority();
  const slow = { ...authority, authenticate: async (...args: Parameters<typeof authority.authenticate>) => (await asked, authority.authenticate(...args)) };
  await using listener = await openListener({}, { authority: slow });
  let sum = 0;
  listener.gateway.bus.subscribe("status/d-1", ({ payload }) => void (sum += payload as number));
  const raw = await listener.raw();
  const frames = Array.from({ length: 6000 }, () => ({ type: "status", payload: 1 }));
  raw.sendJson({ type: "auth", deviceId: "d-1", token: "d-1" }, ...frames, { type: "ping" });
  admit();
  await raw.json("pong");
  assert.equal(sum, 6000);
});

test("websocket lets in who shows a bearer token with the upgrade request, without an auth frame", async () => {
  await using listener = await openListener();
  const arrived = listener.gateway.next("status/d-1");
  const client = await listener.connect(undefined, ["busbar.v1.json"], { headers: { authorization: "Bearer d-1" } });
  client.send({ type: "status", payload: 1 });
  assert.equal((await arrived).from, "d-1");
  await client.settled();
  assert.equal(client.frames.length, 0, "there is nothing to answer");
});

test("websocket closes with 4403 when that token is not believed", async () => {
  await using listener = await openListener();
  const client = await listener.connect(undefined, ["busbar.v1.json"], { headers: { authorization: "Bearer :" } });
  assert.equal((await client.closed).code, 4403);
  assert.equal(listener.gateway.metric('busbar_refused_total{reason="authFailed"}'), 1);
});

test("websocket closes with 4401 who upgrades and then says nothing", async () => {
  await using listener = await openListener({ authTimeout: "20ms" });
  assert.equal((await (await listener.connect()).closed).code, 4401);
});

test("a client that never completes its handshake is cut off by the http plugin, and nobody else notices", async () => {
  await using listener = await openListener({}, { http: { timeouts: { headers: "200ms", request: "200ms" } } });
  const other = await listener.connect("d-1");
  const half = listener.socket();
  half.socket.write("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n");
  const silent = listener.socket();
  assert.match(await half.upgraded, /^(HTTP\/1\.1 408 |$)/);
  await Promise.all([half.ended, silent.ended]);
  await other.settled();
});

test("websocket refuses an upgrade request that is none of WebSocket 13, and serves only its path", async () => {
  await using listener = await openListener({ path: "/bus" });
  const answer = async (path: string, headers: readonly string[]): Promise<string> => {
    const raw = listener.socket();
    raw.socket.write([`GET ${path} HTTP/1.1`, "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", ...headers, "", ""].join("\r\n"));
    const text = await raw.upgraded;
    assert.match(text, /\r\nx-content-type-options: nosniff\r\n.*"status":4/s);
    return text.split("\r\n", 1)[0]!;
  };
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  assert.match(await answer("/bus", ["Sec-WebSocket-Version: 13"]), / 400 /);
  assert.match(await answer("/bus", [key, "Sec-WebSocket-Version: 7"]), / 426 /);
  assert.match(await answer("/ws", [key, "Sec-WebSocket-Version: 13"]), / 404 /);
  await listener.connect("d-1");
});
