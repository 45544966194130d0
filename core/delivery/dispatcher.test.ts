import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Overflow } from "../bus.ts";
import { createLog, type LogRecord } from "../log.ts";
import { MetricsRegistry } from "../metrics.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { parseLedger, type LedgerAccount } from "../ledger.ts";
import { sumMetrics } from "../testkit/sum-metrics.ts";
import { Dispatcher } from "./dispatcher.ts";

function setUp() {
  const log: LogRecord[] = [];
  const metrics = new MetricsRegistry();
  const dispatcher = new Dispatcher({ log: createLog({ level: "debug", clock: fakeClock(), write: (record) => log.push(record) }), metrics });
  return {
    dispatcher,
    log,
    publish: (payload: unknown, from = "a", offset?: number) => dispatcher.dispatch(journalMessage({ from, payload }), offset, offset !== undefined),
    counter: (selector: string) => sumMetrics(metrics.format(), selector),
    account: (name: string) => parseLedger(metrics.format()).find((one) => one.name === name)!,
  };
}

/** A handler whose calls wait until they are let go, one by one. */
function slowHandler() {
  const seen: unknown[] = [];
  const waiting: PromiseWithResolvers<void>[] = [];
  return {
    seen,
    handler({ payload }: { readonly payload: unknown }): Promise<void> {
      seen.push(payload);
      const one = Promise.withResolvers<void>();
      waiting.push(one);
      return one.promise;
    },
    async finish(error?: unknown): Promise<void> {
      const one = waiting.shift()!;
      if (error === undefined) one.resolve();
      else one.reject(error);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("Dispatcher", () => {
  it("dispatch() hands over at once, with the offset, to whoever matches", () => {
    const { dispatcher, publish, counter } = setUp();
    const seen: unknown[] = [];
    for (const pattern of ["status/a", "status/#", "event/#"]) dispatcher.subscribe(pattern, ({ payload }, offset) => void seen.push([pattern, payload, offset]));
    publish(1, "a", 7);
    publish(2, "b");
    assert.deepEqual(seen.sort(), [["status/#", 1, 7], ["status/#", 2, undefined], ["status/a", 1, 7]]);
    assert.equal(counter("busbar_deliveries_total"), 3);
    assert.equal(dispatcher.count, 2);
    assert.equal(dispatcher.size, 3);
  });

  it("dispatch() from within a handler comes after the current message, in the same order for all", () => {
    const { dispatcher, publish } = setUp();
    const seen: string[] = [];
    dispatcher.subscribe("#", ({ payload }) => {
      seen.push(`1:${payload}`);
      if (payload === "a") for (const next of ["b", "c"]) publish(next);
      if (payload === "b") publish("d");
    });
    dispatcher.subscribe("#", ({ payload }) => void seen.push(`2:${payload}`));
    publish("a");
    publish("e");
    assert.deepEqual(seen, ["a", "b", "c", "d", "e"].flatMap((one) => [`1:${one}`, `2:${one}`]));
  });

  it("dispatch() drops and counts what goes round in a circle, and goes on afterwards", () => {
    const { dispatcher, publish, counter, log } = setUp();
    let count = 0;
    dispatcher.subscribe("status/loop", ({ payload }) => {
      count++;
      publish(payload, "loop");
    });
    publish(1, "loop");
    assert.equal(count, 33); // the message and 32 that came of it
    assert.equal(counter('busbar_dropped_total{reason="loop"}'), 1);
    assert.equal(log.filter((line) => line.level === "error").length, 1);
    publish(1, "loop");
    assert.equal(count, 66);
    assert.equal(counter('busbar_dropped_total{reason="loop"}'), 2);
  });

  it("dispatch() bounds what one message can set off, also when it doubles at each turn", () => {
    const { dispatcher, publish, counter } = setUp();
    let count = 0;
    dispatcher.subscribe("status/loop", () => {
      count++;
      for (let copy = 0; copy < 2; copy++) publish(1, "loop");
    });
    publish(1, "loop");
    assert.ok(count <= 200_000, `${count} messages`);
    assert.ok(counter('busbar_dropped_total{reason="loop"}') > 0);
  });

  it("a handler that throws, whatever it throws, stops neither the others nor what follows", () => {
    const { dispatcher, publish, log } = setUp();
    const seen: unknown[] = [];
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    for (const thrown of [new Error("broken"), cycle, undefined]) {
      dispatcher.subscribe("#", () => {
        throw thrown;
      });
      dispatcher.subscribe("#", ({ payload }) => void seen.push(payload));
    }
    publish(1);
    publish(2);
    assert.deepEqual(seen, [1, 1, 1, 2, 2, 2]);
    assert.deepEqual([log[0]!.message, log[0]!.fields["pattern"], log[0]!.fields["error"]], ["handler failed", "#", "broken"]);
  });

  it("a handler that returns neither a promise nor nothing is called again all the same", () => {
    const { dispatcher, publish, log } = setUp();
    const seen: unknown[] = [];
    const push: (message: { readonly payload: unknown }) => unknown = ({ payload }) => seen.push(payload);
    dispatcher.subscribe("#", push as (message: { readonly payload: unknown }) => void);
    for (let at = 0; at < 3; at++) publish(at);
    assert.deepEqual(seen, [0, 1, 2]);
    assert.deepEqual(log, []);
  });

  it("close() during a dispatch takes effect at once, and an addition with the next message", () => {
    const { dispatcher, publish } = setUp();
    const seen: string[] = [];
    dispatcher.subscribe("#", ({ payload }) => {
      second.close();
      second.close();
      if (payload === 1) dispatcher.subscribe("#", (later) => void seen.push(`new ${later.payload}`));
    });
    const second = dispatcher.subscribe("#", ({ payload }) => void seen.push(`second ${payload}`));
    publish(1);
    publish(2);
    assert.deepEqual(seen, ["new 2"]);
    assert.equal(dispatcher.size, 2);
  });

  it("an asynchronous handler is called again only when its promise has settled, also when that fails", async () => {
    const { dispatcher, publish, log } = setUp();
    const slow = slowHandler();
    dispatcher.subscribe("#", slow.handler);
    for (let at = 0; at < 4; at++) publish(at);
    assert.deepEqual(slow.seen, [0]);
    await slow.finish();
    assert.deepEqual(slow.seen, [0, 1]);
    await slow.finish(new Error("broken"));
    assert.deepEqual(slow.seen, [0, 1, 2]);
    assert.equal(log[0]!.fields["error"], "broken");
    await slow.finish();
    await slow.finish();
    publish(9);
    assert.deepEqual(slow.seen, [0, 1, 2, 3, 9]);
    await slow.finish();
  });

  const policies: readonly { overflow: Overflow; limit: number; left: readonly unknown[]; dropped: number }[] = [
    { overflow: "drop-oldest", limit: 2, left: [["a", 5], ["a", 6]], dropped: 3 },
    { overflow: "drop-newest", limit: 2, left: [["a", 2], ["b", 3]], dropped: 3 },
    { overflow: "latest", limit: 3, left: [["a", 6], ["b", 4]], dropped: 3 },
    { overflow: "latest", limit: 1, left: [["a", 6]], dropped: 4 },
    { overflow: "disconnect", limit: 2, left: [], dropped: 3 },
  ];
  for (const { overflow, limit, left, dropped } of policies) {
    it(`an asynchronous handler with ${overflow} and room for ${limit} drops and counts as it says`, async () => {
      const { dispatcher, publish, counter, account } = setUp();
      const slow = slowHandler();
      const seen: unknown[] = [];
      const ended: string[] = [];
      dispatcher.subscribe("#", (message) => (seen.push([message.from, message.payload]), slow.handler(message)), { overflow, limit, onClose: (reason) => ended.push(reason) });
      publish(1);
      for (const [from, payload] of [["a", 2], ["b", 3], ["b", 4], ["a", 5], ["a", 6]] as const) publish(payload, from);
      const balances = ({ entered, waiting, imbalance }: LedgerAccount): unknown => [entered, waiting, imbalance];
      assert.deepEqual(balances(account("subscribers")), [overflow === "disconnect" ? 4 : 6, left.length, 0]);
      while (seen.length < 1 + left.length) await slow.finish();
      await slow.finish();
      assert.deepEqual(seen, [["a", 1], ...left]);
      assert.equal(counter(`busbar_dropped_total{reason="${overflow}"}`), dropped);
      assert.deepEqual(balances(account("subscribers")), [1 + left.length + dropped, 0, 0]);
      assert.deepEqual(ended, overflow === "disconnect" ? ["overflow"] : []);
      assert.equal(dispatcher.size, overflow === "disconnect" ? 0 : 1);
    });
  }

  it("an onClose that throws harms nobody", async () => {
    const { dispatcher, publish } = setUp();
    const slow = slowHandler();
    const seen: unknown[] = [];
    dispatcher.subscribe("#", slow.handler, {
      overflow: "disconnect",
      limit: 1,
      onClose() {
        throw new Error("broken");
      },
    });
    dispatcher.subscribe("#", ({ payload }) => void seen.push(payload));
    for (let at = 0; at < 4; at++) publish(at);
    assert.deepEqual(seen, [0, 1, 2, 3]);
    await slow.finish();
  });

  it("close() forgets what waits", async () => {
    const { dispatcher, publish } = setUp();
    const slow = slowHandler();
    const subscription = dispatcher.subscribe("#", slow.handler);
    for (let at = 0; at < 3; at++) publish(at);
    subscription.close();
    await slow.finish();
    assert.deepEqual(slow.seen, [0]);
  });
});
