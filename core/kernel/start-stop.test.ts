import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Journal } from "../journal.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { definePort, JournalPort } from "../ports.ts";
import { configOf, instanceOf, kernelOf, needOf, pluginOf, until } from "./kernel-fixture.ts";

const StorePort = definePort<{ readonly name: string }>("store-under-test");
const never = new Promise<never>(() => {});

/** A plugin that writes down what happens to it. */
const noting = (name: string, notes: string[], more: Parameters<typeof pluginOf>[2] = {}, then: () => unknown = () => {}) =>
  pluginOf(name, (ctx) => {
    notes.push(`${name} up`);
    ctx.defer(() => void notes.push(`${name} down 1`));
    ctx.defer(async () => void notes.push(`${name} down 2`));
    return then();
  }, more);

describe("start()", () => {
  it("sets up who provides before who needs, and hands over what is provided", async () => {
    const notes: string[] = [];
    let got: unknown;
    const needs = pluginOf("needs", (ctx) => void (got = needOf<{ name: string }>(ctx, "store").name), { needs: { store: StorePort } });
    const { kernel, state } = kernelOf(configOf([instanceOf(needs), instanceOf(noting("provides", notes, { provides: { store: StorePort } }, () => ({ store: { name: "s" } })))]));
    await kernel.start();
    assert.equal(got, "s");
    assert.deepEqual([state("needs"), state("provides"), kernel.gateway.notReady()], ["running", "running", undefined]);
    await assert.rejects(kernel.start(), TypeError);
    await kernel.stop();
  });

  it("closes in reverse what was opened when a setup throws, and names the plugin", async () => {
    const notes: string[] = [];
    const broken = noting("broken", notes, { needs: { store: StorePort } }, () => {
      throw new Error("no port");
    });
    const { kernel, clock, state } = kernelOf(configOf([instanceOf(broken, { id: "gate" }), instanceOf(noting("first", notes, { provides: { store: StorePort } }, () => ({ store: {} })))]));
    await assert.rejects(kernel.start(), { code: "INTERNAL", message: 'plugin "gate": no port' });
    assert.deepEqual(notes, ["first up", "broken up", "broken down 2", "broken down 1", "first down 2", "first down 1"]);
    assert.deepEqual([state("gate"), clock.timers], ["stopped", 0]);
    assert.ok(kernel.gateway.notReady()!.length > 0);
  });

  it("refuses a plugin that does not return what it provides", async () => {
    const { kernel } = kernelOf(configOf([instanceOf(pluginOf("liar", () => ({}), { provides: { store: StorePort } }))]));
    await assert.rejects(kernel.start(), { message: 'plugin "liar": setup returned no "store", which the plugin provides' });
  });

  it("gives a setup that never finishes its time, and undoes what it does later", async () => {
    const notes: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const ran = Promise.withResolvers<void>();
    const endless = pluginOf("endless", async (ctx) => {
      ctx.defer(() => void notes.push("early"));
      await promise;
      ctx.defer(() => void notes.push("late"));
      ctx.defer(async () => {
        throw new Error("late cleanup fails");
      });
      ctx.bus.subscribe("#", () => void notes.push("message"));
      ctx.clock.every(10, () => void notes.push("tick"));
      ctx.clock.after(10, () => void notes.push("tock"));
      ctx.run(async () => void notes.push("task"));
      ctx.announce({ what: "x", url: "tcp://x" });
      ran.resolve();
    });
    const { kernel, clock, log } = kernelOf(configOf([instanceOf(endless)], { setupTimeout: 700 }));
    const started = assert.rejects(kernel.start(), { code: "TIMEOUT", message: 'plugin "endless": setup has not finished within 700 ms' });
    await clock.advance(700);
    await started;
    assert.deepEqual(notes, ["early"]);
    resolve();
    await ran.promise;
    kernel.bus.publish({ type: "status", payload: 1 });
    await clock.advance(1000);
    assert.deepEqual(notes, ["early", "late"]);
    assert.equal(clock.timers, 0);
    assert.ok(log.some((line) => line.message === "cleanup failed" && line.fields["error"] === "late cleanup fails"));
    assert.deepEqual(kernel.gateway.plugins()[0]!.addresses, []);
  });

  it("waits for a setup as long as it says that it gets on", async () => {
    const end = Promise.withResolvers<void>();
    let progress = (): void => {};
    const slow = pluginOf("slow", async (ctx) => {
      progress = ctx.progress;
      await end.promise;
    });
    const { kernel, clock, state } = kernelOf(configOf([instanceOf(slow)], { setupTimeout: 700 }));
    const started = kernel.start();
    for (let at = 0; at < 5; at++) {
      await clock.advance(600);
      progress();
    }
    end.resolve();
    await started;
    assert.equal(state("slow"), "running");
    const { timers } = clock;
    progress();
    assert.equal(clock.timers, timers, "what is set up is not timed any more");
    await kernel.stop();
  });

  it("does without a plugin that is not required, and tries it again", async () => {
    let tries = 0;
    const shy = pluginOf("shy", () => {
      if (++tries < 4) throw new Error("not yet");
    });
    const { kernel, clock, state } = kernelOf(configOf([instanceOf(shy, { required: false }), instanceOf(pluginOf("calm", () => {}))]));
    await kernel.start();
    assert.deepEqual([state("shy"), state("calm"), kernel.gateway.notReady()], ["restarting", "running", undefined]);
    await until(clock, () => state("shy") === "running");
    assert.equal(tries, 4);
    assert.equal(kernel.gateway.plugins()[0]!.restarts, 3);
    await kernel.stop();
    assert.equal(clock.timers, 0);
  });
});

describe("stop()", () => {
  it("stops who needs before who provides, and the journal last, with everything in it", async () => {
    const notes: string[] = [];
    const journal = createMemoryJournal();
    const storing: Journal = {
      epoch: "e", bounds: () => journal.bounds(), read: (query) => journal.read(query), retained: () => journal.retained(), cursor: (name) => journal.cursor(name), cursors: () => journal.cursors(), moveCursor: (name, offset) => journal.moveCursor(name, offset), dropCursor: (name) => journal.dropCursor(name),
      async append(batch) {
        await new Promise((resolve) => setImmediate(resolve));
        return journal.append(batch);
      },
    };
    const log = pluginOf("log", (ctx) => {
      ctx.defer(async () => void notes.push(`journal closes with ${(await journal.read({ after: 0, limit: 100, pattern: "event/last" })).entries.length}`));
      return { journal: storing };
    }, { provides: { journal: JournalPort } });
    const last = pluginOf("last", (ctx) => {
      ctx.defer(() => {
        notes.push("last down");
        void ctx.bus.deliver({ type: "event", payload: "goodbye" }).then(() => notes.push("goodbye is stored"));
      });
    });
    const { kernel, clock } = kernelOf(configOf([instanceOf(log), instanceOf(noting("a", notes, { provides: { store: StorePort } }, () => ({ store: {} }))), instanceOf(noting("b", notes, { needs: { store: StorePort } })), instanceOf(last)]));
    await kernel.start();
    notes.length = 0;
    await kernel.stop();
    assert.deepEqual(notes.filter((note) => note !== "goodbye is stored"), ["last down", "b down 2", "b down 1", "a down 2", "a down 1", "journal closes with 1"]);
    assert.ok(notes.indexOf("goodbye is stored") > 0);
    assert.equal(clock.timers, 0);
  });

  it("lets tasks end before it cleans up, and isolates a cleanup that throws", async () => {
    const notes: string[] = [];
    const plugin = pluginOf("p", (ctx) => {
      ctx.defer(() => void notes.push("first"));
      ctx.defer(() => {
        throw new Error("broken");
      });
      ctx.defer(async () => {
        throw new Error("broken later");
      });
      ctx.defer(() => void notes.push("last"));
      ctx.run(async (signal) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        await new Promise((resolve) => setImmediate(resolve));
        notes.push("task");
      });
    });
    const { kernel, log } = kernelOf(configOf([instanceOf(plugin)]));
    await kernel.start();
    await kernel.stop();
    assert.deepEqual(notes, ["task", "last", "first"]);
    assert.equal(log.filter((line) => line.message === "cleanup failed").length, 1); // and a second one held back by the log
  });

  it("goes on after 5 s without a task or a cleanup that hangs", async () => {
    const notes: string[] = [];
    const hangs = pluginOf("hangs", (ctx) => {
      ctx.defer(() => void notes.push("hangs"));
      ctx.defer(() => never);
    });
    const { kernel, clock, log, state } = kernelOf(configOf([instanceOf(noting("calm", notes)), instanceOf(hangs)]));
    await kernel.start();
    const before = clock.now();
    const stopped = kernel.stop();
    await clock.advance(5000);
    await stopped;
    assert.equal(clock.now() - before, 5000);
    assert.deepEqual(notes, ["calm up", "hangs", "calm down 2", "calm down 1"]);
    assert.ok(log.some((line) => line.message.startsWith("plugin does not stop") && line.fields["plugin"] === "hangs"));
    assert.deepEqual([state("hangs"), clock.timers], ["stopped", 0]);
  });

  it("ends within shutdownTimeout whatever hangs, naming what is left, and every caller waits for it", async () => {
    const hangs = (name: string) => pluginOf(name, (ctx) => ctx.run(() => never));
    const { kernel, clock, log } = kernelOf(configOf(["x", "y", "z"].map((name) => instanceOf(hangs(name))), { shutdownTimeout: 8000 }));
    await kernel.start();
    let stopped = 0;
    const first = kernel.stop().then(() => stopped++);
    const second = kernel.stop().then(() => stopped++);
    await clock.advance(7999);
    assert.equal(stopped, 0);
    await clock.advance(1);
    await Promise.all([first, second]);
    assert.deepEqual(log.find((line) => line.message.startsWith("stopping took too long"))?.fields["left"], ["x", "y"]);
    await clock.advance(20_000);
    assert.equal(clock.timers, 0);
  });

  it("flushes and closes the journal in time although others hang", async () => {
    const notes: string[] = [];
    const journal = createMemoryJournal();
    const keeper = pluginOf("keeper", (ctx) => {
      ctx.defer(() => void notes.push(`journal closed with ${journal.bounds().last}`));
      return { journal };
    }, { provides: { journal: JournalPort } });
    const reader = pluginOf("reader", (ctx) => void ctx.bus.consume("r", "#", () => never));
    const hangs = (name: string) => pluginOf(name, (ctx) => ctx.run(() => never));
    const { kernel, clock, log } = kernelOf(configOf([instanceOf(keeper), instanceOf(reader), ...["x", "y", "z"].map((name) => instanceOf(hangs(name)))], { shutdownTimeout: 8000 }));
    await kernel.start();
    const held = kernel.bus.deliver({ type: "event", payload: 1 });
    const stopped = kernel.stop();
    await held;
    await clock.advance(7500);
    assert.deepEqual(notes, ["journal closed with 3"]); // started, the event, stopped
    await clock.advance(500);
    await stopped;
    assert.deepEqual(log.filter((line) => line.level === "error" && line.message.startsWith("stopping")).map((line) => line.fields["left"]), [["keeper", "reader", "x", "y"], ["reader", "x", "y"]]);
    await assert.rejects(kernel.bus.deliver({ type: "event", payload: 2 }), { code: "CLOSED" });
    await clock.advance(20_000);
    assert.equal(clock.timers, 0);
  });

  it("does nothing harmful to a kernel that never ran", async () => {
    const { kernel, clock } = kernelOf(configOf([]));
    await kernel.stop();
    await kernel.stop();
    await assert.rejects(kernel.start(), TypeError);
    assert.equal(clock.timers, 0);
  });
});
