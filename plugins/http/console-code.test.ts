import assert from "node:assert/strict";
import { test } from "node:test";
import { createFixture, problemIn, type Fixture } from "./app-fixture.ts";

const trade = (fixture: Fixture, code: string): Promise<Response> => fixture.call("/api/console/session", { body: { code } });

test("createConsoleCode() is good once", async () => {
  const fixture = await createFixture();
  const first = await trade(fixture, fixture.code.text);
  assert.deepEqual(await first.json(), { token: "console:admin+43200", expires: fixture.clock.now() + 43_200_000 });
  const second = trade(fixture, fixture.code.text);
  await fixture.clock.advance(250);
  assert.equal((await second).status, 401);
  const { messages } = (await (await fixture.call("/api/audit", { token: "auditor:audit/#" })).json()) as { messages: { payload: unknown }[] };
  assert.deepEqual(messages.slice(1).map(({ payload }) => payload), [{ action: "console-opened", remote: "203.0.113.9" }, { action: "console-refused", remote: "203.0.113.9" }]);
  assert.ok(!JSON.stringify(fixture.lines).includes(fixture.code.text), "never logged");
});

test("createConsoleCode() is good for a quarter of an hour", async () => {
  const fixture = await createFixture();
  await fixture.clock.advance(15 * 60_000);
  const late = trade(fixture, fixture.code.text);
  await fixture.clock.advance(250);
  assert.equal((await late).status, 401);
});

test("createConsoleCode() answers wrong codes later and later, and the right one at once", async () => {
  const fixture = await createFixture();
  const delays: number[] = [];
  for (let round = 0; round < 7; round++) {
    const began = fixture.clock.now();
    let answered = false;
    const wrong = trade(fixture, "wrong").then((response) => {
      answered = true;
      return problemIn(response);
    });
    while (!answered) await fixture.clock.advance(250);
    assert.equal((await wrong)["status"], 401);
    delays.push(fixture.clock.now() - began);
  }
  assert.deepEqual(delays, [250, 500, 1000, 2000, 4000, 8000, 10_000]);
  assert.equal((await trade(fixture, fixture.code.text)).status, 200);
});

test("createConsoleCode() lets only so many wrong codes wait", async () => {
  const fixture = await createFixture();
  const waiting = Array.from({ length: 20 }, () => trade(fixture, "wrong"));
  await fixture.clock.advance(0);
  assert.equal((await trade(fixture, "wrong")).status, 429);
  await fixture.clock.advance(10_000);
  assert.deepEqual(new Set((await Promise.all(waiting)).map(({ status }) => status)), new Set([401]));
});
