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
