import assert from "node:assert/strict";
import { test } from "node:test";
import { openAuthority } from "@busbar/core/testkit";
import { openListener } from "./testing/listener.ts";

test("websocket closes 200 clients with 1001 when the gateway stops, within 2 s", async () => {
  await using listener = await openListener();
  const clients = await Promise.all(Array.from({ length: 200 }, (_, n) => listener.connect(`d-${n}`)));
  const began = performance.now();
  await listener.gateway.stop();
  assert.ok(performance.now() - began < 2000, `${performance.now() - began} ms`);
  for (const { closed } of clients) assert.equal((await closed).code, 1001);
});

test("websocket stops within 5 s while a client neither reads nor answers", async () => {
  await using listener = await openListener();
  const stuck = await listener.raw("d-1");
  stuck.socket.pause();
  const began = performance.now();
  await listener.gateway.stop();
  assert.ok(performance.now() - began < 5000, `${performance.now() - began} ms`);
});

test("websocket replaces a device's connection with 4009, and a person's not", async () => {
  const authority = openAuthority();
  await using listener = await openListener({}, {
    authority: { ...authority, authenticate: async (...args) => ({ ...(await authority.authenticate(...args)), user: args[0].kind === "token" && args[0].token.startsWith("user/") }) },
  });
  const device = await listener.connect("d-1");
  await listener.connect("d-1");
  assert.equal((await device.closed).code, 4009);
  const phone = await (await listener.connect("user/ann")).subscribe("status/#");
  const laptop = await (await listener.connect("user/ann")).subscribe("status/#");
  listener.gateway.bus.publish({ type: "status", from: "d-2", payload: 1 });
  for (const client of [phone, laptop]) assert.equal((await client.next("status"))["payload"], 1);
});

test("websocket closes with 4029 who sends more than `rate` messages a second", async () => {
  await using listener = await openListener({ rate: 50 });
  let count = 0;
  listener.gateway.bus.subscribe("status/d-1", () => void count++);
  const client = await listener.connect("d-1");
  for (let n = 0; n < 200; n++) client.send({ type: "status", payload: n });
  assert.equal((await client.closed).code, 4029);
  assert.ok(count >= 50 && count < 200, `${count} were taken`);
  assert.equal(listener.gateway.metric('busbar_refused_total{reason="rate limit"}'), 1);
});

test("websocket says what it serves: its address and how many are connected", async () => {
  await using listener = await openListener({ path: "/bus" });
  assert.match(listener.url, /^ws:\/\/127\.0\.0\.1:\d+\/bus$/);
  const client = await listener.connect("d-1");
  assert.equal(listener.gateway.metric("busbar_websocket_connections"), 1);
  client.ws.close();
  await listener.until(() => listener.gateway.metric("busbar_websocket_connections") === 0, "nobody is connected");
});

test("websocket publishes the last will of a client that is gone, not of one that closes", async () => {
  await using listener = await openListener();
  const heard: unknown[] = [];
  listener.gateway.bus.subscribe("event/+", ({ payload }) => void heard.push(payload));
  const begin = async (payload: string) => {
    const client = await listener.connect();
    client.send({ type: "auth", deviceId: payload, token: payload, will: { type: "event", payload } });
    await client.next("auth_response");
    return client;
  };
  for (const code of [1000, 1001, undefined]) {
    const client = await begin(`closes-with-${code}`);
    client.ws.close(code);
    await client.closed;
  }
  const last = await begin("is-cut-off");
  const odd = await begin("closes-with-4000");
  odd.ws.close(4000);
  last.ws.terminate();
  await listener.until(() => heard.length >= 2, "both were heard");
  assert.deepEqual(heard.sort(), ["closes-with-4000", "is-cut-off"]);
});
