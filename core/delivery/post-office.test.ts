import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMessage, type Draft, type Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import type { Journal } from "../journal.ts";
import { createLog, type LogRecord } from "../log.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { MetricsRegistry } from "../metrics.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { assertLedgerBalances } from "../testkit/assert-ledger-balances.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { refusingJournal } from "../testkit/refusing-journal.ts";
import { sumMetrics } from "../testkit/sum-metrics.ts";
import { deliverAsync, PostOffice } from "./post-office.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function setUp(options: { readonly dedupeWindow?: number; readonly retainedLimit?: number; readonly highWater?: number } = {}) {
  const clock = fakeClock();
  const metrics = new MetricsRegistry();
  const log: LogRecord[] = [];
  const office = new PostOffice({ clock, log: createLog({ clock, write: (record) => log.push(record) }), metrics, highWater: 100, batch: 100, dedupeWindow: 100, retainedLimit: 100, ...options });
  const make = (draft: Partial<Draft>): Message => {
    const message = createMessage({ type: "status", payload: null, ...draft });
    office.complete(message, "d-1");
    return message;
  };
  return {
    clock, office, make, log,
    publish: (draft: Partial<Draft>) => office.publish(make(draft)),
    deliver: (draft: Partial<Draft>) => deliverAsync(office, make({ qos: 1, ...draft })),
    retained(pattern = "#"): unknown[] {
      const found: unknown[] = [];
      office.retained(pattern, ({ payload }, offset) => found.push([payload, offset]));
      return found;
    },
    metric: (selector: string) => sumMetrics(metrics.format(), selector),
    balance: (settled = true) => assertLedgerBalances(metrics.format(), { settled })["messages"]!,
  };
}

describe("PostOffice", () => {
  it("holds what is published before it opens, and hands it over in order when it does", async () => {
    const { office, publish, deliver } = setUp();
    const seen: unknown[] = [];
    office.subscribe("#", ({ payload }, offset) => void seen.push([payload, offset]));
    assert.equal(publish({ payload: 1 }), true);
    const stored = deliver({ payload: 2, msgid: "m" });
    publish({ payload: 3 });
    const read: unknown[] = [];
    const closed = office.readers.consume("closed", "#", { handler: async () => void read.push("closed") });
    office.readers.consume("reader", "#", { handler: async (batch) => void read.push(...batch.map(({ message }) => message.payload)) });
    closed.close();
    assert.deepEqual(seen, []);
    await office.open(createMemoryJournal());
    assert.deepEqual(await stored, { offset: 1, duplicate: false, msgid: "m" });
    await settle();
    assert.deepEqual(seen, [[1, undefined], [3, undefined], [2, 1]]);
    assert.deepEqual(read, [2]);
    await office.close();
  });

  it("refuses with OVERLOAD when too many wait for it to open", async () => {
    const { office, publish, deliver } = setUp({ highWater: 100_000 });
    for (let at = 0; at < 10_000; at++) publish({ payload: at });
    assert.throws(() => publish({}), { code: "OVERLOAD" });
    await assert.rejects(deliver({}), { code: "OVERLOAD" });
    let count = 0;
    office.subscribe("#", () => void count++);
    await office.open(createMemoryJournal());
    assert.equal(count, 10_000);
  });

  it("open() knows from the journal which messages have been, and no more than the window", async () => {
    const journal = createMemoryJournal();
    await journal.append(Array.from({ length: 8 }, (_, at) => journalMessage({ from: "d-1", msgid: `m${at}`, qos: at === 7 ? 0 : 1 })));
    const { office, deliver } = setUp({ dedupeWindow: 4 });
    const seen: unknown[] = [];
    office.subscribe("#", ({ msgid }) => void seen.push(msgid));
    await office.open(journal);
    assert.deepEqual(await deliver({ msgid: "m6" }), { offset: 7, duplicate: true, msgid: "m6" });
    assert.equal((await deliver({ msgid: "m7" })).duplicate, false, "one of qos 0 is not known by its msgid");
    assert.equal((await deliver({ msgid: "m3" })).duplicate, false);
    assert.deepEqual(seen, ["m7", "m3"]);
  });

  it("open() has the retained values of the journal", async () => {
    const journal = createMemoryJournal();
    await journal.append([journalMessage({ from: "a", payload: 1, retain: true }), journalMessage({ from: "b", payload: 2, retain: true }), journalMessage({ from: "b", payload: null, retain: true })]);
    const { office, retained, metric } = setUp();
    await office.open(journal);
    assert.deepEqual(retained(), [[1, 1]]);
    assert.equal(metric("busbar_retained"), 1);
  });

  it("publish() of a retained message counts at once and is kept in the journal", async () => {
    const { office, publish, retained } = setUp();
    const journal = createMemoryJournal();
    await office.open(journal);
    let count = 0;
    office.subscribe("#", () => void count++);
    publish({ payload: 1, retain: true });
    publish({ payload: 2, retain: true });
    publish({ payload: 3 });
    assert.deepEqual(retained(), [[2, undefined]]);
    await office.close();
    assert.deepEqual(retained(), [[2, 2]]);
    assert.deepEqual((await journal.retained()).map(({ message }) => message.payload), [2]);
    assert.equal(count, 3);
  });

  it("publish() of a retained message stays the last one while the journal is at work, and when it refuses", async () => {
    const journal = createMemoryJournal();
    const gates: PromiseWithResolvers<void>[] = [];
    const gated: Journal = {
      epoch: journal.epoch, bounds: () => journal.bounds(), read: (query) => journal.read(query), retained: () => journal.retained(), cursor: (name) => journal.cursor(name), cursors: () => journal.cursors(), moveCursor: (name, offset) => journal.moveCursor(name, offset), dropCursor: (name) => journal.dropCursor(name),
      append(batch) {
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        return gate.promise.then(() => journal.append(batch));
      },
    };
    const { office, publish, retained, metric, deliver } = setUp();
    await office.open(gated);
    publish({ payload: 1, retain: true });
    await settle();
    publish({ payload: 2, retain: true });
    gates[0]!.resolve();
    await settle();
    assert.deepEqual(retained(), [[2, undefined]]);
    publish({ payload: null, retain: true });
    gates[1]!.reject(new Error("disk"));
    await settle();
    assert.deepEqual(retained(), []);
    gates[2]!.reject(new Error("disk"));
    await settle();
    assert.equal(metric('busbar_dropped_total{reason="journal"}'), 2);
    const stored = deliver({ payload: 4, retain: true });
    await settle();
    gates[3]!.resolve();
    await stored;
    assert.deepEqual(retained(), [[4, 2]]);
  });

  it("publish() of a retained message while the journal refuses stays the value, and the last of each topic is stored once it takes messages again", async () => {
    const disk = refusingJournal();
    const { office, publish, deliver, retained, balance, clock } = setUp({ highWater: 2 });
    await office.open(disk.journal);
    const seen: unknown[] = [];
    office.subscribe("status/#", ({ payload }) => void seen.push(payload));
    await deliver({ from: "a", payload: 0, retain: true });
    disk.refuseWith = new BusbarError("OVERLOAD", "full");
    await assert.rejects(deliver({ from: "a", payload: "refused", retain: true }), { code: "OVERLOAD" });
    for (let at = 1; at <= 3; at++) for (const from of ["a", "b", "c", "d", "e"]) publish({ from, payload: at, retain: true });
    publish({ from: "d", payload: null, retain: true });
    assert.deepEqual([seen.length, retained("status/a"), retained("status/d")], [17, [[3, undefined]], []]);
    assert.deepEqual([balance(false).waiting, balance(false).settled["dropped superseded"]], [5, 11]);
    disk.refuseWith = undefined;
    await clock.advance(200);
    const later = deliver({ from: "e", payload: 4, retain: true }); // beyond the high-water mark: the older value of its topic must not come after it
    await later;
    await settle();
    while (balance(false).waiting > 0) await settle();
    assert.deepEqual((await disk.journal.retained()).map(({ message }) => [message.from, message.payload]).toSorted(), [["a", 3], ["b", 3], ["c", 3], ["e", 4]]);
    assert.deepEqual(retained().map((one) => (one as unknown[])[0]).toSorted(), [3, 3, 3, 4]);
    assert.deepEqual([balance().settled["refused OVERLOAD"], balance().settled["stored"]], [1, 1 + 1 + 5 + 1]);
    await office.close();
  });

  it("publish() of retained messages while the journal refuses is bounded, and what is left at the end is counted", async () => {
    const disk = refusingJournal();
    const { office, publish, deliver, balance } = setUp({ retainedLimit: 3 });
    await office.open(disk.journal);
    disk.refuseWith = new BusbarError("IO", "broken");
    await assert.rejects(deliver({}), { code: "IO" });
    for (let at = 0; at < 10; at++) publish({ from: `d${at}`, payload: null, retain: true });
    assert.deepEqual([balance(false).waiting, balance(false).settled["dropped journal"]], [3, 7]);
    await office.close();
    assert.equal(balance().settled["dropped journal"], 10);
    await assert.rejects(deliver({}), { code: "CLOSED" });
    balance();
  });

  it("publish() refuses a retained value beyond the limit, counts it, and hands it over all the same", async () => {
    const { office, publish, retained, metric } = setUp({ retainedLimit: 1 });
    const journal = createMemoryJournal();
    await office.open(journal);
    const seen: unknown[] = [];
    office.subscribe("#", ({ payload }) => void seen.push(payload));
    publish({ from: "a", payload: 1, retain: true });
    publish({ from: "b", payload: 2, retain: true });
    await office.close();
    assert.deepEqual([seen, retained()], [[1, 2], [[1, 1]]]);
    assert.equal(metric("busbar_retained_refused_total"), 1);
    assert.equal(journal.bounds().last, 1);
  });

  it("publish() says when sources should pause, and ready() when they may go on", async () => {
    const { office, publish } = setUp({ highWater: 2 });
    await office.open(createMemoryJournal());
    assert.equal(publish({ payload: 1, retain: true }), true);
    assert.equal(publish({ payload: 2, retain: true }), false);
    assert.equal(office.full, true);
    await office.ready(AbortSignal.timeout(20_000));
    assert.equal(publish({ payload: 3 }), true);
    await office.close();
  });

  it("subscribe() with retained hands those over first, one at a time, and a handler that fails harms nobody", async () => {
    const { office, publish, log } = setUp();
    await office.open(createMemoryJournal());
    for (const from of ["a", "b", "c"]) publish({ from, payload: from, retain: true });
    const seen: unknown[] = [];
    let running = 0;
    office.subscribe("#", async ({ payload }) => {
      assert.equal(++running, 1, "the handler is called while it is at work");
      seen.push(payload);
      await settle();
      running--;
      if (payload === "b") throw new Error("broken");
    }, { retained: true });
    office.subscribe("#", () => {
      throw new Error("at once");
    }, { retained: true });
    publish({ payload: "live" });
    while (seen.length < 4) await settle();
    await settle();
    assert.deepEqual(seen, ["a", "b", "c", "live"]);
    assert.ok(log.every((line) => line.message === "handler failed") && log.length > 0);
    await office.close();
  });

  it("close() stores what is on its way and waits for the batches that are out", async () => {
    const { office, deliver } = setUp();
    const journal = createMemoryJournal();
    await office.open(journal);
    await deliver({});
    const { promise, resolve } = Promise.withResolvers<void>();
    office.readers.consume("reader", "#", { handler: () => promise });
    await settle();
    const last = deliver({});
    let closed = false;
    const closing = office.close().then(() => (closed = true));
    assert.equal((await last).offset, 2);
    assert.equal(closed, false);
    resolve();
    await closing;
    assert.equal(await journal.cursor("reader"), 1);
  });

  it("complete() reads the clock once a turn and fills in only what is absent", async () => {
    const { make, clock } = setUp();
    const first = make({ timestamp: 5 });
    assert.deepEqual([first.from, first.topic, first.timestamp, first.received, first.qos], ["d-1", "status/d-1", 5, clock.now(), 0]);
    assert.notEqual(first.msgid, make({}).msgid);
    await clock.advance(100);
    assert.equal(make({}).received, clock.now());
  });
});
