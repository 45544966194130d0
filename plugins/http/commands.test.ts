import assert from "node:assert/strict";
import { test } from "node:test";
import { createFixture, problemIn, type Fixture } from "./app-fixture.ts";

async function command(fixture: Fixture, body: object, token = "app:command/#"): Promise<string> {
  const response = await fixture.call("/api/devices/home-7%2Flamp/commands", { token, body });
  assert.equal(response.status, 202);
  const { msgid } = (await response.json()) as { msgid: string };
  assert.equal(response.headers.get("location"), `/api/commands/${msgid}`);
  return msgid;
}

const stateOf = async (fixture: Fixture, msgid: string, token = "app:command/#"): Promise<any> => (await fixture.call(`/api/commands/${msgid}`, { token })).json();

test("POST /api/devices/{id}/commands delivers a command whose answer GET /api/commands/{msgid} shows", async () => {
  const fixture = await createFixture();
  const commands: unknown[] = [];
  fixture.parts.bus.subscribe("command/#", ({ topic, from, to, payload, qos, expires }) => void commands.push({ topic, from, to, payload, qos, expires }));
  const msgid = await command(fixture, { payload: { on: true }, ttl: 10 });
  assert.deepEqual(commands, [{ topic: "command/home-7/lamp", from: "app", to: "home-7/lamp", payload: { on: true }, qos: 1, expires: fixture.clock.now() + 10_000 }]);
  assert.equal((await stateOf(fixture, msgid)).state, "queued");
  await fixture.parts.bus.deliver({ type: "ack", from: "home-7/lamp", to: "app", payload: { msgid, status: "ok", result: { on: true } } });
  const { state, result, to, from } = await stateOf(fixture, msgid);
  assert.deepEqual({ state, result, to, from }, { state: "done", result: { on: true }, to: "home-7/lamp", from: "app" });
});

test("POST /api/devices/{id}/commands with a known msgid answers with what became of it, and gives nothing twice", async () => {
  const fixture = await createFixture();
  const given: unknown[] = [];
  fixture.parts.bus.subscribe("command/#", ({ msgid, expires, replace, payload }) => void given.push([msgid, expires, replace, payload]));
  const deadline = fixture.clock.now() + 60_000;
  const body = { payload: { $base64: "AQI=" }, msgid: "my own", deadline, replace: "k" };
  const ask = async (more: object = {}, path = "/api/devices/lamp/commands"): Promise<[number, any]> => {
    const response = await fixture.call(path, { token: "app:command/#", body: { ...body, ...more } });
    return [response.status, await response.json()];
  };
  for (let time = 0; time < 2; time++) assert.deepEqual(await ask(), [202, { msgid: "my own", state: "queued" }]);
  await fixture.parts.bus.deliver({ type: "ack", from: "lamp", to: "app", payload: { msgid: "my own", status: "ok", result: 7 } });
  const [status, record] = await ask();
  assert.deepEqual([status, record], [200, { msgid: "my own", from: "app", to: "lamp", state: "done", result: 7, created: record.created, expires: deadline }]);
  assert.deepEqual(given, [["my own", deadline, "k", new Uint8Array([1, 2])]]);
  assert.equal((await ask({}, "/api/devices/fan/commands"))[0], 409);
  assert.equal((await ask({ ttl: 5 }))[0], 422);
  assert.equal((await ask({ wait: 60_001 }))[0], 422);
});

test("POST /api/devices/{id}/commands waits as long as asked to for the command to be over", async () => {
  const fixture = await createFixture();
  const call = (wait: number) => fixture.call("/api/devices/lamp/commands", { token: "app:command/#", body: { payload: 1, msgid: `c-${wait}`, wait } });
  const inTime = call(5000);
  const late = call(2000);
  for (const msgid of ["c-5000", "c-2000"]) while (fixture.parts.commands.get(msgid, "app") === undefined) await fixture.clock.advance(0);
  await fixture.clock.advance(2000);
  assert.deepEqual([(await late).status, await (await late).json()], [202, { msgid: "c-2000", state: "queued" }]);
  await fixture.parts.bus.deliver({ type: "ack", from: "lamp", to: "app", payload: { msgid: "c-5000", status: "error", result: "no" } });
  assert.equal((await inTime).status, 200);
  const { state, result } = (await (await inTime).json()) as { state: string; result: unknown };
  assert.deepEqual([state, result], ["failed", "no"]);
});

test("GET /api/commands/{msgid} shows who answered a command for many", async () => {
  const fixture = await createFixture();
  const response = await fixture.call("/api/devices/group%2Flights/commands", { token: "app:command/#", body: { payload: 1, msgid: "c", ttl: 5 } });
  assert.equal(response.status, 202);
  for (const [device, status] of [["lamp-1", "ok"], ["lamp-2", "error"]] as const) await fixture.parts.bus.deliver({ type: "ack", from: device, to: "app", payload: { msgid: "c", status } });
  const at = fixture.clock.now();
  const { answers, devices, state } = await stateOf(fixture, "c");
  assert.deepEqual([answers, devices, state], [{ "lamp-1": { status: "ok", at }, "lamp-2": { status: "error", at } }, { handed: 2, answered: 2 }, "sent"]);
  await fixture.clock.advance(5000);
  assert.equal((await stateOf(fixture, "c")).state, "failed");
});

test("GET /api/commands/{msgid} shows what failed and what expired", async () => {
  const fixture = await createFixture();
  const refused = await command(fixture, { payload: 1 });
  await fixture.parts.bus.deliver({ type: "ack", from: "home-7/lamp", to: "app", payload: { msgid: refused, status: "error", result: "no" } });
  assert.equal((await stateOf(fixture, refused)).state, "failed");
  const late = await command(fixture, { payload: 1, ttl: 5 });
  await fixture.clock.advance(5000);
  assert.equal((await stateOf(fixture, late)).state, "expired");
});

test("GET /api/commands/{msgid} is for who gave it and who may see the device's commands", async () => {
  const fixture = await createFixture();
  const msgid = await command(fixture, { payload: 1 });
  const of = async (token: string): Promise<number> => (await fixture.call(`/api/commands/${msgid}`, { token })).status;
  assert.equal(await of("app:none"), 200);
  assert.equal(await of("other:command/home-7/#"), 200);
  assert.equal(await of("other:command/home-8/#"), 404);
  assert.equal((await fixture.call("/api/commands/unknown", { token: "app:#" })).status, 404);
});

test("POST /api/devices/{id}/commands refuses without the right, and a body that is none", async () => {
  const fixture = await createFixture();
  const of = async (body: object, token: string): Promise<unknown> => {
    const response = await fixture.call("/api/devices/lamp/commands", { token, body });
    await problemIn(response);
    return response.status;
  };
  assert.equal(await of({ payload: 1 }, "app:command/fan"), 403);
  assert.equal(await of({ payload: 1, ttl: 0 }, "app:#"), 422);
  assert.equal(await of({ payload: 1, tll: 5 }, "app:#"), 422);
  assert.equal(await of({}, "app:#"), 422);
});
