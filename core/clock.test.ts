import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClock, systemClock } from "./clock.ts";
import { fakeClock } from "./testkit/fake-clock.ts";

/** A clock whose timers come as late as a test says. */
function lateClock() {
  let now = 0;
  const timers = new Set<{ readonly ms: number; readonly callback: () => void }>();
  const clock = createClock(() => now, (ms, callback) => {
    const timer = { ms, callback };
    timers.add(timer);
    return () => timers.delete(timer);
  });
  return {
    clock,
    timers,
    fireAt(time: number): void {
      now = time;
      const [timer] = timers;
      timers.delete(timer!);
      timer!.callback();
    },
  };
}

describe("every()", () => {
  it("does not drift: a late call does not shift the later ones", () => {
    const { clock, timers, fireAt } = lateClock();
    const asked: number[] = [];
    clock.every(100, () => {});
    for (const time of [107, 203, 399, 400, 501]) {
      fireAt(time);
      asked.push(time + [...timers][0]!.ms);
    }
    assert.deepEqual(asked, [200, 300, 400, 500, 600]);
  });

  it("skips the periods of a stall instead of replaying them", () => {
    const { clock, timers, fireAt } = lateClock();
    let count = 0;
    clock.every(100, () => void count++);
    fireAt(1050);
    assert.equal(count, 1);
    assert.equal(1050 + [...timers][0]!.ms, 1100);
    fireAt(1200);
    assert.equal(1200 + [...timers][0]!.ms, 1300);
  });

  it("goes on after a callback that throws, and ends from within its own callback", () => {
    const { clock, timers, fireAt } = lateClock();
    clock.every(100, () => {
      throw new Error("broken");
    });
    assert.throws(() => fireAt(100), { message: "broken" });
    assert.equal(timers.size, 1);
    timers.clear();
    const end = clock.every(100, () => end());
    fireAt(200);
    end();
    assert.equal(timers.size, 0);
  });

  it("refuses a period of less than 1 ms", () => {
    for (const ms of [0, -1, 0.5, Number.NaN]) assert.throws(() => systemClock.every(ms, () => {}), RangeError);
  });
});

describe("sleep()", () => {
  it("rejects with the signal's reason and leaves no timer", async () => {
    const clock = fakeClock();
    const abort = new AbortController();
    const asleep = clock.sleep(1000, abort.signal);
    assert.equal(clock.timers, 1);
    abort.abort(new Error("enough"));
    await assert.rejects(asleep, { message: "enough" });
    assert.equal(clock.timers, 0);
    await assert.rejects(clock.sleep(1000, AbortSignal.abort(new Error("before"))), { message: "before" });
    assert.equal(clock.timers, 0);
  });

  it("resolves in time, and an abort afterwards is nothing", async () => {
    const clock = fakeClock();
    const abort = new AbortController();
    let awake = false;
    const asleep = clock.sleep(1000, abort.signal).then(() => (awake = true));
    await clock.advance(999);
    assert.equal(awake, false);
    await clock.advance(1);
    assert.equal(awake, true);
    abort.abort();
    await asleep;
  });
});

describe("systemClock", () => {
  it("after() calls once, and not when it is cancelled", async () => {
    const calls: string[] = [];
    const cancel = systemClock.after(1, () => calls.push("cancelled"));
    cancel();
    cancel();
    await new Promise<void>((resolve) => systemClock.after(5, () => (calls.push("called"), resolve())));
    assert.deepEqual(calls, ["called"]);
  });

  it("after() can wait longer than a timer of the runtime can (2^31 - 1 ms)", async () => {
    let called = false;
    const cancel = systemClock.after(30 * 86_400_000, () => (called = true));
    await systemClock.sleep(20);
    cancel();
    assert.equal(called, false);
  });
});

describe("fakeClock()", () => {
  it("advance() calls what falls due in order, each at its own time, and what that sets up too", async () => {
    const clock = fakeClock(1000);
    const seen: unknown[] = [];
    clock.after(30, () => seen.push(["b", clock.now()]));
    clock.after(10, () => {
      seen.push(["a", clock.now()]);
      clock.after(5, () => seen.push(["nested", clock.now()]));
    });
    clock.after(30, () => seen.push(["c", clock.now()]));
    const stop = clock.every(20, () => seen.push(["every", clock.now()]));
    clock.after(100, () => seen.push("late"));
    await clock.advance(40);
    assert.deepEqual(seen, [["a", 1010], ["nested", 1015], ["every", 1020], ["b", 1030], ["c", 1030], ["every", 1040]]);
    assert.equal(clock.now(), 1040);
    stop();
    assert.equal(clock.timers, 1);
  });

  it("advance() lets code that sleeps go on within the same call", async () => {
    const clock = fakeClock();
    let rounds = 0;
    const loop = (async () => {
      while (rounds < 10) {
        await clock.sleep(10);
        rounds++;
      }
    })();
    await clock.advance(100);
    assert.equal(rounds, 10);
    await loop;
  });
});
