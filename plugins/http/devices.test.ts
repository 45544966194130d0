import assert from "node:assert/strict";
import { test } from "node:test";
import { createFixture, type Fixture } from "./app-fixture.ts";

async function report(fixture: Fixture, id: string, value = 1): Promise<void> {
  await fixture.parts.bus.deliver({ type: "status", from: id, payload: { values: [{ tag: "temperature", value, unit: "°C" }] } });
}

const connect = (fixture: Fixture, principal: string): number => fixture.sessions.push({ id: "s", principal, remote: "r", transport: "tcp", since: 1, lastSeen: 2 });

test("GET /api/devices joins reports with connections and shows only what may be seen", async () => {
  const fixture = await createFixture();
  for (const id of ["home-7/lamp", "home-8", "pump"]) await report(fixture, id);
  connect(fixture, "home-7");
  connect(fixture, "silent");
  await fixture.clock.advance(61_000);
  const list = async (token: string): Promise<unknown> => ((await (await fixture.call("/api/devices", { token })).json()) as { devices: { id: string; online: boolean }[] }).devices.map(({ id, online }) => [id, online]);
  assert.deepEqual(await list("app:#"), [["home-7", true], ["home-7/lamp", true], ["home-8", false], ["pump", false], ["silent", true]]);
  assert.deepEqual(await list("app:status/home-7/#"), [["home-7", true], ["home-7/lamp", true]]);
});

test("GET /api/devices counts a device without a connection as online for a while after its report", async () => {
  const fixture = await createFixture({ config: { presence: "10s" } });
  await report(fixture, "pump", 7);
  const pump = async (): Promise<any> => (await fixture.call("/api/devices/pump", { token: "app:#" })).json();
  await fixture.clock.advance(10_000);
  const { online, values } = await pump();
  assert.equal(online, true);
  assert.deepEqual(values.temperature, { value: 7, unit: "°C", quality: "good", timestamp: fixture.clock.now() - 10_000 });
  await fixture.clock.advance(1);
  assert.equal((await pump()).online, false);
});

test("GET /api/devices believes presence events before it looks at reports", async () => {
  const fixture = await createFixture({ config: { presence: "10s" } });
  await report(fixture, "lamp");
  const online = async (): Promise<boolean> => ((await (await fixture.call("/api/devices/lamp", { token: "app:#" })).json()) as { online: boolean }).online;
  fixture.parts.bus.publish({ type: "event", from: "lamp/presence", payload: { presence: "online" } });
  await fixture.clock.advance(60_000);
  assert.equal(await online(), true);
  await report(fixture, "lamp");
  fixture.parts.bus.publish({ type: "event", from: "lamp/presence", payload: { presence: "offline" } });
  assert.equal(await online(), false);
  connect(fixture, "lamp");
  assert.equal(await online(), true);
});

test("GET /api/devices pages in order of id, whoever is connected included", async () => {
  const fixture = await createFixture();
  for (const id of ["a", "c", "e"]) await report(fixture, id);
  connect(fixture, "b");
  connect(fixture, "f");
  const seen: string[][] = [];
  for (let next: string | undefined = ""; next !== undefined; ) {
    const page: { devices: { id: string }[]; next?: string } = await (await fixture.call(`/api/devices?limit=2${next === "" ? "" : `&cursor=${next}`}`, { token: "app:#" })).json() as never;
    seen.push(page.devices.map(({ id }) => id));
    next = page.next;
  }
  assert.deepEqual(seen, [["a", "b"], ["c", "e"], ["f"]]);
});

test("GET /api/devices/{id} takes a slash as %2F and refuses what is unknown, no id, or not to be seen", async () => {
  const fixture = await createFixture();
  await report(fixture, "home-7/lamp");
  const of = async (path: string, token = "app:#"): Promise<number> => (await fixture.call(`/api/devices/${path}`, { token })).status;
  assert.equal(await of("home-7%2Flamp"), 200);
  assert.equal(await of("nobody"), 404);
  assert.equal(await of("home-7%2F..%2Fx"), 400);
  assert.equal(await of("%E0%A4%A"), 400);
  assert.equal(await of("home-7%2Flamp", "app:status/home-70/#"), 403);
  assert.equal(await of("nobody", "app:status/home-70/#"), 403, "the same for what does not exist");
});

test("GET /api/devices without a storage plugin shows who is connected", async () => {
  const fixture = await createFixture({ storeless: true });
  connect(fixture, "pump");
  assert.deepEqual(await (await fixture.call("/api/devices", { token: "app:#" })).json(), { devices: [{ id: "pump", online: true, lastSeen: 2, values: {} }] });
});
