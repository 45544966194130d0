import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import { createFailureDelay } from "./failure-delay.ts";

const throttled = { reason: "throttled", code: "UNAUTHENTICATED", retryable: true };

test("FailureDelay.check() makes pauses that double after the third failure, up to 30 s", async () => {
  const clock = fakeClock();
  const delay = createFailureDelay(clock);
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 12; attempt++) {
    let pause = 0;
    for (;;) {
      try {
        delay.check("192.0.2.1", "lamp");
        break;
      } catch (error) {
        const [, ms] = /in (\d+) ms/.exec(String(error))!;
        pause += Number(ms);
        await clock.advance(Number(ms));
      }
    }
    pauses.push(pause);
    delay.began("192.0.2.1", "lamp");
  }
  assert.deepEqual(pauses, [0, 0, 0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("FailureDelay slows down neither another id nor another address, nor the one who got it right", () => {
  const delay = createFailureDelay(fakeClock());
  for (let at = 0; at < 3; at++) delay.began("192.0.2.1:1000", "lamp");
  assert.throws(() => delay.check("192.0.2.1:1000", "lamp"), throttled);
  delay.check("192.0.2.1:1000", "fan");
  delay.check("192.0.2.2:1000", "lamp");
  delay.succeeded("192.0.2.1:1000", "lamp");
  delay.check("192.0.2.1:1000", "lamp");
});

test("FailureDelay takes another port, or another address of one IPv6 network, for the same peer", () => {
  for (const [one, other, foreign] of [
    ["192.0.2.1:1000", "192.0.2.1:1001", "192.0.2.10:1000"],
    ["::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"],
    ["2001:db8::1", "2001:db8:0:0:ffff::2", "2001:db8:0:1::1"],
    ["[2001:db8::1]:1000", "[2001:db8::1:2]:1001", "[2001:db9::1]:1000"],
    ["fe80::1%eth0", "fe80::2", "fe81::1"],
    ["local", "local", "elsewhere"],
  ] as const) {
    const delay = createFailureDelay(fakeClock());
    for (let at = 0; at < 3; at++) delay.began(one, "lamp");
    assert.throws(() => delay.check(other, "lamp"), throttled, other);
    delay.check(foreign, "lamp");
  }
});

test("FailureDelay forgets after a quarter of an hour", async () => {
  const clock = fakeClock();
  const delay = createFailureDelay(clock);
  for (let at = 0; at < 9; at++) delay.began("192.0.2.1", "lamp");
  await clock.advance(15 * 60_000 + 1);
  for (let at = 0; at < 2; at++) delay.began("192.0.2.1", "lamp");
  delay.check("192.0.2.1", "lamp");
});

const spray = async (delay: ReturnType<typeof createFailureDelay>, clock: ReturnType<typeof fakeClock>, from: string, times: number): Promise<void> => {
  for (let at = 0; at < times; at++) {
    const answered = delay.refused(from, at % 2 === 0 ? "secret" : "signature");
    await clock.advance(3000);
    await answered;
  }
};

test("FailureDelay slows down who tries one secret at many ids, or any other credentials, from one address", async () => {
  const clock = fakeClock();
  const delay = createFailureDelay(clock);
  await spray(delay, clock, "192.0.2.1", 30);
  assert.throws(() => delay.check("192.0.2.1", "never-tried"), throttled);
  delay.check("192.0.2.2", "never-tried");
  await clock.advance(30_000);
  delay.check("192.0.2.1", "never-tried");
});

test("FailureDelay lets a device in that was right from there before, whoever guesses beside it; its own pauses stay", async () => {
  const clock = fakeClock();
  const delay = createFailureDelay(clock);
  delay.succeeded("192.0.2.1", "lamp");
  await spray(delay, clock, "192.0.2.1", 30);
  delay.check("192.0.2.1", "lamp");
  delay.succeeded("192.0.2.1", "lamp");
  assert.throws(() => delay.check("192.0.2.1", "fan"), throttled, "a success resets nobody else's failures");
  for (let at = 0; at < 3; at++) delay.began("192.0.2.1", "lamp");
  assert.throws(() => delay.check("192.0.2.1", "lamp"), throttled);
});

test("FailureDelay answers refusals later and later, up to 3 s, and at once when the peer has left", async () => {
  const clock = fakeClock();
  const delay = createFailureDelay(clock);
  const lateness: number[] = [];
  for (let at = 0; at < 25; at++) {
    const began = clock.now();
    const answered = delay.refused("192.0.2.1", "signature");
    let done = false;
    void answered.then(() => (done = true));
    await Promise.resolve();
    while (!done) await clock.advance(100);
    lateness.push(clock.now() - began);
  }
  assert.deepEqual(lateness.slice(0, 19), Array(19).fill(0));
  assert.deepEqual(lateness.slice(19), [500, 1000, 2000, 3000, 3000, 3000]);
  const leaves = new AbortController();
  const answered = delay.refused("192.0.2.1", "signature", leaves.signal);
  leaves.abort();
  await answered;
  assert.equal(clock.timers, 0);
});

test("FailureDelay counts neither what honest devices are refused for, nor this machine unless the config says so", async () => {
  const clock = fakeClock();
  const delay = createFailureDelay(clock);
  for (let at = 0; at < 100; at++) {
    await delay.refused("192.0.2.1", "expired");
    await delay.refused("192.0.2.1", "revoked");
    await delay.refused("127.0.0.1", "secret");
  }
  delay.check("192.0.2.1", "lamp");
  delay.check("127.0.0.1", "lamp");
});
