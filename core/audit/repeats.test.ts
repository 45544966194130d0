import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import { Repeats } from "./repeats.ts";

function fixture() {
  const clock = fakeClock();
  const sums: object[] = [];
  return { clock, sums, repeats: new Repeats(clock, (action, fields, source) => sums.push({ action, source, ...fields })) };
}

describe("Repeats", () => {
  it("lets ten of a kind pass in ten seconds and writes one entry for the rest", async () => {
    const { clock, sums, repeats } = fixture();
    const since = clock.now();
    let held = 0;
    for (let n = 0; n < 100_000; n++) if (repeats.hold("refused", { id: "d-1", remote: "192.0.2.1", reason: `topic ${n}` }, "gateway")) held++;
    assert.equal(held, 99_990);
    assert.deepEqual(sums, []);
    await clock.advance(10_000);
    assert.deepEqual(sums, [{ action: "refused", source: "gateway", id: "d-1", remote: "192.0.2.1", reason: "topic 99999", count: 99_990, since, until: since + 10_000 }]);
    assert.equal(repeats.hold("refused", { id: "d-1", remote: "192.0.2.1" }, "gateway"), false);
  });

  it("never holds back a command", () => {
    const { repeats } = fixture();
    for (let n = 0; n < 100; n++) assert.equal(repeats.hold("command", { from: "app" }, "gateway"), false);
  });

  it("tells peers apart, up to a thousand", async () => {
    const { clock, sums, repeats } = fixture();
    let passed = 0;
    for (let n = 0; n < 50_000; n++) if (!repeats.hold("login-failed", { remote: `2001:db8::${(n % 5000).toString(16)}` }, "gateway")) passed++;
    assert.equal(passed, 1000 * 10 + 10);
    await clock.advance(10_000);
    assert.equal(sums.length, 1);
    assert.deepEqual({ ...sums[0], since: 0, until: 0 }, { action: "login-failed", source: "gateway", others: true, count: 39_990, since: 0, until: 0 });
  });

  it("writes at once what was held back when it is told to", () => {
    const { sums, repeats } = fixture();
    for (let n = 0; n < 12; n++) repeats.hold("console-refused", { remote: "192.0.2.1" }, "http");
    repeats.flush();
    assert.equal(sums.length, 1);
    repeats.flush();
    assert.equal(sums.length, 1);
  });
});
