import assert from "node:assert/strict";
import { test } from "node:test";
import { BusbarError } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import { createFixture, problemIn, type Fixture } from "./app-fixture.ts";

/** An app beside two sinks that refuse everything until `mended`, and three messages for each. */
async function refusing(): Promise<Fixture & { mended: boolean; readonly taken: unknown[] }> {
  const fixture = Object.assign(await createFixture(), { mended: false, taken: [] as unknown[] });
  const { bus } = fixture.parts;
  for (const name of ["one", "two"]) {
    bus.consume(name, "status/#", async (batch) => {
      if (!fixture.mended) throw new BusbarError("REFUSED", "no such tag");
      fixture.taken.push(...batch.map(({ message }) => message.payload));
    });
  }
  for (const payload of [1, 2, new Uint8Array([3])]) await bus.deliver({ type: "status", from: "plc-1", payload });
  await until("so many dead letters", () => fixture.parts.deadLetters.size === 6, { turn: () => fixture.clock.advance(0) });
  return fixture;
}

const auditOf = async ({ parts }: Fixture): Promise<unknown[]> => (await parts.store!.messages({ topic: "audit/subject", limit: 100 })).entries.map(({ message }) => message.payload);

test("GET /api/dead-letters pages through what sinks refused, of one reader or of all", async () => {
  const { call } = await refusing();
  const get = async (query: string): Promise<any> => (await call(`/api/dead-letters${query}`, { token: "app:dead-letter/#" })).json();
  const all = await get("");
  assert.equal(all.deadLetters.length, 6);
  assert.equal(all.next, undefined);
  const first = await get("?reader=subject/one&limit=2");
  const rest = await get(`?reader=subject/one&limit=2&after=${first.next}`);
  assert.deepEqual([...first.deadLetters, ...rest.deadLetters].map(({ message }) => message.payload), [1, 2, { $base64: "Aw==" }]);
  const { id, reader, reason, message } = first.deadLetters[0];
  assert.match(id, /^dl-/);
  assert.deepEqual([reader, reason, message.from, message.type, typeof message.offset], ["subject/one", "no such tag", "plc-1", "status", "number"]);
  assert.equal((await call("/api/dead-letters?after=nobody", { token: "app:dead-letter/#" })).status, 404);
});

test("POST /api/dead-letters/replay hands them to their readers again, and puts that into the audit log", async () => {
  const fixture = await refusing();
  fixture.mended = true;
  const response = await fixture.call("/api/dead-letters/replay", { token: "app:dead-letter/#", body: { reader: "subject/two" } });
  assert.deepEqual([response.status, await response.json()], [200, { count: 3 }]);
  await until("so many dead letters", () => fixture.parts.deadLetters.size === 3, { turn: () => fixture.clock.advance(0) });
  assert.deepEqual(fixture.taken, [1, 2, new Uint8Array([3])]);
  assert.deepEqual(await auditOf(fixture), [{ action: "dead-letter-replay", by: "app", count: 3, reader: "subject/two" }]);
});

test("POST /api/dead-letters/drop forgets some, or all when that is said", async () => {
  const fixture = await refusing();
  const drop = async (body: object): Promise<unknown> => (await fixture.call("/api/dead-letters/drop", { token: "app:dead-letter/#", body })).json();
  const [one] = await fixture.parts.deadLetters.list({ limit: 1 });
  assert.deepEqual(await drop({ ids: [one!.id, "dl-unknown"] }), { count: 1 });
  assert.deepEqual(await drop({ ids: [one!.id] }), { count: 0 });
  const problem = await problemIn(await fixture.call("/api/dead-letters/drop", { token: "app:#", body: {} }));
  assert.deepEqual([problem["status"], problem["detail"]], [422, "ids, reader or all: true is needed"]);
  assert.equal(fixture.parts.deadLetters.size, 5);
  assert.deepEqual(await drop({ all: true }), { count: 5 });
  assert.equal(fixture.parts.deadLetters.size, 0);
  await until("the log has no error", () => fixture.lines.every(({ level }) => level !== "error"), { turn: () => fixture.clock.advance(0) });
  assert.deepEqual((await auditOf(fixture))[0], { action: "dead-letter-drop", by: "app", count: 1, ids: [one!.id, "dl-unknown"] });
});

test("dead letters want the right to their topic: to subscribe for a list, to publish for a decision", async () => {
  const { call, parts } = await refusing();
  const of = async (token: string, path: string, body?: object): Promise<number> => (await call(path, { token, ...(body && { body }) })).status;
  assert.deepEqual(await Promise.all(["app:status/#", "app:dead-letter/subject/one", "app:dead-letter/#"].map((token) => of(token, "/api/dead-letters"))), [403, 403, 200]);
  assert.deepEqual(await Promise.all(["app:dead-letter/subject/two", "app:dead-letter/subject/one"].map((token) => of(token, "/api/dead-letters?reader=subject/one"))), [403, 200]);
  for (const action of ["replay", "drop"]) {
    const path = `/api/dead-letters/${action}`;
    assert.equal(await of("app:dead-letter/subject/one", path, { all: true }), 403);
    assert.equal(await of("app:dead-letter/subject/one", path, { ids: ["x"] }), 403);
    assert.equal(await of("app:dead-letter/subject/two", path, { reader: "subject/one" }), 403);
    assert.equal(await of("app:dead-letter/subject/one", path, { ids: ["x"], reader: "subject/one" }), 200);
    assert.equal((await call(path, { body: { all: true } })).status, 401);
  }
  assert.equal(parts.deadLetters.size, 6, "nothing was decided");
});
