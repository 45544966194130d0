import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PluginContext } from "../plugin.ts";
import { definePort } from "../ports.ts";
import { configOf, instanceOf, kernelOf, needOf, pluginOf, until } from "./kernel-fixture.ts";

/** Gives up the instance that was set up last, from outside its setup. */
let fail: ((error: unknown) => void) | undefined;

/** A plugin that the test breaks, and a neighbour that counts its seconds. */
async function setUp(setup: (ctx: PluginContext, run: number) => unknown) {
  const runs: string[] = [];
  let seconds = 0;
  const subject = pluginOf("faults", (ctx) => {
    runs.push("up");
    ctx.defer(() => void runs.push("down"));
    return setup(ctx, runs.filter((one) => one === "up").length);
  });
  const neighbour = pluginOf("neighbour", (ctx) => void ctx.defer(ctx.clock.every(1000, () => void seconds++)));
  const under = kernelOf(configOf([instanceOf(subject), instanceOf(neighbour)]));
  await under.kernel.start();
  return {
    ...under, runs,
    restarts: () => under.kernel.gateway.plugins()[0]!.restarts,
    async [Symbol.asyncDispose]() {
      await under.kernel.stop();
      assert.equal(under.state("neighbour"), "stopped");
      assert.deepEqual([under.kernel.gateway.plugins()[1]!.restarts, under.clock.timers], [0, 0]);
      assert.equal(runs.filter((one) => one === "up").length, runs.filter((one) => one === "down").length, "every setup is undone");
    },
    seconds: () => seconds,
  };
}

describe("an instance", () => {
  it("whose timer throws is restarted alone, and its neighbour misses nothing", async () => {
    await using subject = await setUp((ctx, run) => {
      if (run === 1) ctx.clock.after(500, () => {
        throw new Error("broken");
      });
      ctx.clock.every(100, () => {});
    });
    const { clock, state, restarts, kernel, runs, log } = subject;
    const began = clock.now();
    await clock.advance(500);
    assert.deepEqual([state("faults"), kernel.gateway.notReady()], ["restarting", ['plugin "faults" is restarting: broken']]);
    await until(clock, () => state("faults") === "running");
    assert.deepEqual([restarts(), runs, kernel.gateway.notReady()], [1, ["up", "down", "up"], undefined]);
    assert.ok(log.some((line) => line.fields["plugin"] === "faults" && line.fields["error"] === "broken"));
    await clock.advance(10_000 - (clock.now() - began));
    assert.equal(subject.seconds(), 10);
  });

  it("that fails again and again is tried with pauses that double up to 30 s, and soon again after a steady minute", async () => {
    const times: number[] = [];
    let broken = true;
    await using subject = await setUp((ctx, run) => {
      times.push(ctx.clock.now());
      fail = (error) => ctx.fail(error);
      if (run > 1 && broken) throw new Error("still broken");
      if (run === 1) ctx.clock.after(0, () => ctx.fail(new Error("broken")));
    });
    const { clock, state } = subject;
    await until(clock, () => times.length > 11, 300_000);
    for (let at = 2; at < times.length; at++) {
      const full = Math.min(30_000, 100 * 2 ** (at - 1));
      const pause = times[at]! - times[at - 1]!;
      assert.ok(pause >= full / 2 && pause <= full + 50, `${pause} ms before try ${at}`);
    }
    broken = false;
    await until(clock, () => state("faults") === "running");
    await clock.advance(61_000);
    const before = clock.now();
    times.length = 0;
    fail!(new Error("again"));
    await until(clock, () => times.length === 1);
    assert.ok(times[0]! - before <= 150, `${times[0]! - before} ms`);
  });

  it("whose handler throws keeps running", async () => {
    const seen: unknown[] = [];
    await using subject = await setUp((ctx) => {
      ctx.bus.subscribe("status/#", ({ payload }) => {
        seen.push(payload);
        throw new Error("broken");
      });
      ctx.bus.subscribe("status/#", async () => {
        throw new Error("broken later");
      });
    });
    for (const payload of [1, 2]) subject.kernel.bus.publish({ type: "status", payload });
    await subject.clock.advance(1000);
    assert.deepEqual([seen, subject.state("faults"), subject.restarts()], [[1, 2], "running", 0]);
    assert.ok(subject.log.some((line) => line.message === "handler failed" && line.fields["plugin"] === "faults"));
  });

  it("whose task throws keeps running, and the task alone is started again with growing pauses", async () => {
    const times: number[] = [];
    await using subject = await setUp((ctx) => {
      ctx.run(async (signal) => {
        times.push(ctx.clock.now());
        if (times.length < 6) throw new Error("broken");
        await ctx.clock.sleep(1_000_000, signal);
      });
    });
    await until(subject.clock, () => times.length === 6);
    for (let at = 1; at < times.length; at++) assert.ok(times[at]! - times[at - 1]! >= 50 * 2 ** (at - 1) && times[at]! - times[at - 1]! <= 100 * 2 ** (at - 1) + 50);
    assert.deepEqual([subject.state("faults"), subject.restarts()], ["running", 0]);
  });

  it("takes its subscriptions, timers, gauges and readers along when it is restarted", async () => {
    let messages = 0;
    await using subject = await setUp((ctx) => {
      fail = (error) => ctx.fail(error);
      ctx.bus.subscribe("status/#", () => void messages++);
      ctx.bus.consume("reader", "event/#", async () => {});
      ctx.metrics.gauge("faults_gauge", "x", () => 1);
      ctx.clock.every(10, () => {});
    });
    const { kernel, clock, state, restarts } = subject;
    for (let round = 1; round <= 3; round++) {
      fail!(new Error("broken"));
      fail!(new Error("broken twice"));
      assert.equal(state("faults"), "restarting");
      await until(clock, () => state("faults") === "running");
      assert.equal(restarts(), round);
    }
    kernel.bus.publish({ type: "status", payload: 1 });
    assert.equal(messages, 1);
    assert.equal(kernel.gateway.metrics().match(/^faults_gauge /gm)?.length, 1);
  });

  it("is restarted for an error that nobody caught, and nobody is for one that is nobody's", async () => {
    const thrown = Promise.withResolvers<boolean>();
    await using subject = await setUp((_ctx, run) => {
      if (run === 1) setTimeout(() => thrown.resolve(subject.kernel.uncaught(new Error("raw timer"))), 1);
    });
    assert.equal(await thrown.promise, true);
    assert.equal(subject.state("faults"), "restarting");
    await until(subject.clock, () => subject.state("faults") === "running");
    const foreign = new Error("foreign");
    foreign.stack = "Error: foreign\n    at somewhere (/srv/else/where.js:1:1)";
    assert.equal(subject.kernel.uncaught(foreign), false);
    assert.equal(subject.kernel.uncaught("text"), false);
  });

  it("keeps its dependents on the same object when it provides something and is restarted", async () => {
    const GreeterPort = definePort<{ greet(): string; watch(listener: () => void): () => void }>("greeter");
    let generation = 0;
    let watchers = 0;
    let greeter: { greet(): string; watch(listener: () => void): () => void } | undefined;
    const provider = pluginOf("provider", (ctx) => {
      const mine = ++generation;
      watchers = 0;
      fail = (error) => ctx.fail(error);
      return { greeter: { greet: () => `hello from ${mine}`, watch: () => (watchers++, () => void watchers--) } };
    }, { provides: { greeter: GreeterPort } });
    const dependent = pluginOf("dependent", (ctx) => {
      greeter = needOf(ctx, "greeter");
      ctx.defer(greeter!.watch(() => {}));
    }, { needs: { greeter: GreeterPort } });
    const { kernel, clock, state } = kernelOf(configOf([instanceOf(provider), instanceOf(dependent)]));
    await kernel.start();
    assert.deepEqual([greeter!.greet(), watchers], ["hello from 1", 1]);
    fail!(new Error("broken"));
    await clock.advance(0);
    assert.throws(() => greeter!.greet(), { code: "UNAVAILABLE" });
    await until(clock, () => state("provider") === "running");
    assert.deepEqual([greeter!.greet(), watchers, kernel.gateway.plugins()[1]!.restarts], ["hello from 2", 1, 0]);
    await kernel.stop();
    assert.equal(clock.timers, 0);
  });
});
