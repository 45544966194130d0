import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "@busbar/core/testkit";
import { createFixture, problemIn, type Fixture } from "./app-fixture.ts";

/** An app whose journal holds three messages, the cursors of two readers that are gone, and one that reads. */
async function standing(): Promise<Fixture> {
  const fixture = await createFixture();
  const { bus } = fixture.parts;
  const turn = (): Promise<void> => fixture.clock.advance(0);
  let taken = 0;
  bus.consume("here", "status/#", async (batch) => void (taken += batch.length));
  for (const name of ["old", "older"]) {
    let begun = false;
    const gone = bus.consume(name, "status/#", async () => void (begun = true), { lanes: [{ name: "alarms", patterns: ["event/#"] }] });
    await bus.deliver({ type: "status", from: "plc-1", payload: name });
    await until("it has been handed something", () => begun, { turn });
    gone.close();
    for (let at = 0; at < 5; at++) await fixture.clock.advance(0);
    await gone.ended;
    await bus.deliver({ type: "status", from: "plc-1", payload: "between" });
  }
  await until("the reader that stays has taken all", () => taken >= 4, { turn });
  assert.equal(taken, 4);
  return fixture;
}

const list = async ({ call }: Fixture): Promise<any[]> => ((await (await call("/api/readers", { token: "app:gateway/#" })).json()) as { readers: any[] }).readers;

test("GET /api/readers lists each durable reader once, also those that are gone, and how far they are behind", async () => {
  const fixture = await standing();
  const readers = await list(fixture);
  assert.deepEqual(readers.map(({ reader, used }) => [reader, used]), [["subject/here", true], ["subject/old", false], ["subject/older", false]]);
  const [, old, older] = readers as [any, any, any];
  assert.ok(old.behind > older.behind && older.behind > 0, JSON.stringify(readers));
  for (const { offset, behind } of readers.slice(1)) assert.equal(offset + behind, old.offset + old.behind);
  assert.equal((await fixture.call("/api/readers", { token: "app:status/#" })).status, 403);
});

test("POST /api/readers/drop forgets all cursors of one that is gone, notes who did it, and refuses one that is in use", async () => {
  const fixture = await standing();
  const drop = (reader: string, token = "app:gateway/#"): Promise<Response> => fixture.call("/api/readers/drop", { token, body: { reader } });
  assert.equal((await drop("subject/old", "app:status/#")).status, 403);
  const inUse = await problemIn(await drop("subject/here"));
  assert.deepEqual([inUse.status, inUse.code, inUse.detail], [409, "REFUSED", 'Cannot drop reader "subject/here": it is in use']);
  assert.equal((await drop("subject/nobody")).status, 404);
  assert.equal((await drop("subject/old")).status, 200);
  assert.deepEqual((await list(fixture)).map(({ reader }) => reader), ["subject/here", "subject/older"], "and no other whose name begins so");
  assert.equal((await drop("subject/old")).status, 404);
  const noted = async () => (await fixture.parts.store!.messages({ topic: "audit/subject", limit: 100 })).entries;
  await until("it is noted", async () => (await noted()).length > 1, { turn: () => fixture.clock.advance(0) });
  assert.deepEqual((await noted()).slice(1).map(({ message }) => message.payload), [{ action: "reader-drop", by: "app", reader: "subject/old" }], "besides what was refused");
});
