import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClosedLoop, createOpenLoop } from "./pace.ts";

describe("createOpenLoop()", () => {
  it("gives message i to publisher i mod n at start + i / rate", () => {
    const pace = createOpenLoop(1000, { publishers: 3, first: 32, start: 500 });
    const seen: (readonly [number, number, number])[] = [];
    const next = [32, 32, 32];
    for (let now = 500; now < 507; now++) {
      for (let publisher = 0; publisher < 3; publisher++) {
        const due = pace.due(publisher, now);
        for (let i = 0; i < due; i++) seen.push([publisher, now, pace.dueAt(publisher, next[publisher]!++)]);
        pace.sent(publisher, due, now);
      }
    }
    assert.deepEqual(seen, [
      [0, 500, 500],
      [1, 501, 501],
      [2, 502, 502],
      [0, 503, 503],
      [1, 504, 504],
      [2, 505, 505],
      [0, 506, 506],
    ]);
  });

  it("lets nothing be omitted when the generator or the server stalls", () => {
    const pace = createOpenLoop(10_000, { publishers: 1, first: 0, start: 0 });
    assert.equal(pace.due(0, 0), 1);
    pace.sent(0, 1, 0);
    assert.equal(pace.due(0, 1000), 10_000);
    // The message that had to wait for the stall to end was due long before it was sent.
    pace.sent(0, 10_000, 1000);
    assert.equal(pace.dueAt(0, 1), 0.1);
    assert.equal(pace.due(0, 1000), 0);
  });

  it("asks for nothing before the start", () => {
    assert.equal(createOpenLoop(1000, { publishers: 1, first: 0, start: 100 }).due(0, 50), 0);
  });
});

describe("createClosedLoop()", () => {
  it("asks for whole bursts only, and only while there is room", () => {
    let room = 31;
    const pace = createClosedLoop(() => room, { publishers: 1, first: 32, burst: 32, window: 128 });
    assert.equal(pace.due(0, 0), 0);
    room = 100;
    assert.equal(pace.due(0, 0), 32);
  });

  it("remembers when each burst of a full window was written", () => {
    const pace = createClosedLoop(() => 1000, { publishers: 2, first: 4, burst: 4, window: 16 });
    for (let burst = 0; burst < 1000; burst++) {
      pace.sent(1, 4, burst * 10);
      for (let back = 0; back < 4 && back <= burst; back++) {
        const first = 4 + (burst - back) * 4;
        assert.equal(pace.dueAt(1, first), (burst - back) * 10);
        assert.equal(pace.dueAt(1, first + 3), (burst - back) * 10);
      }
    }
  });
});
