import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConsumeOptions } from "../bus.ts";
import type { Entry, Journal } from "../journal.ts";
import { createLog, type LogRecord } from "../log.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { Consumer } from "./consumer.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const batchOf = (from: number, count: number, type = "status") => Array.from({ length: count }, (_, at) => journalMessage({ type, payload: from + at }));

function setUp(journal: Journal = createMemoryJournal()) {
  const clock = fakeClock();
  const log: LogRecord[] = [];
  const batches: unknown[][] = [];
  const behaviour = { fail: 0, hold: undefined as Promise<void> | undefined };
  const start = (pattern = "status/#", options: ConsumeOptions = {}): Consumer =>
    new Consumer("reader", pattern, async (batch: readonly Entry[]) => {
      batches.push(batch.map(({ message }) => message.payload));
      await behaviour.hold;
      if (behaviour.fail-- > 0) throw new Error("broken");
    }, { journal, clock, log: createLog({ level: "debug", clock, write: (record) => log.push(record) }), last: () => journal.bounds().last, ...options });
  return { journal, clock, log, batches, behaviour, start };
}

describe("Consumer", () => {
  it("hands over what there is, in order and in batches, and then what comes", async () => {
    const { journal, batches, start } = setUp();
    await journal.append(batchOf(1, 5));
    await journal.append(batchOf(100, 3, "event"));
    const consumer = start("status/#", { batch: 2 });
    await settle();
    assert.deepEqual(batches, [[1, 2], [3, 4], [5]]);
    assert.equal(await journal.cursor("reader"), 8);
    await journal.append(batchOf(6, 1));
    consumer.notify();
    await settle();
    assert.deepEqual(batches.at(-1), [6]);
    consumer.close();
    await consumer.ended;
  });

  it("begins with what comes from now on when asked to, and says so in its cursor at once", async () => {
    const { journal, batches, start } = setUp();
    await journal.append(batchOf(1, 5));
    const consumer = start("status/#", { start: "now" });
    await settle();
    assert.equal(await journal.cursor("reader"), 5);
    await journal.append(batchOf(6, 1));
    consumer.notify();
    await settle();
    assert.deepEqual(batches, [[6]]);
    consumer.close();
    await consumer.ended;
  });

  it("moves the cursor only when the handler has resolved, and goes on from there another time", async () => {
    const { journal, batches, behaviour, start } = setUp();
    await journal.append(batchOf(1, 3));
    const { promise, resolve } = Promise.withResolvers<void>();
    behaviour.hold = promise;
    const first = start("status/#", { batch: 2 });
    await settle();
    assert.equal(await journal.cursor("reader"), 0);
    let ended = false;
    first.close();
    void first.ended.then(() => (ended = true));
    await settle();
    assert.equal(ended, false, "a batch is out");
    resolve();
    await first.ended;
    assert.equal(await journal.cursor("reader"), 2);
    const second = start("status/#", { batch: 2, start: "now" });
    await settle();
    assert.deepEqual(batches, [[1, 2], [3]]);
    second.close();
    await second.ended;
  });

  it("repeats what the handler refuses, with growing pauses, and lets nothing pass it", async () => {
    const { journal, clock, log, batches, behaviour, start } = setUp();
    behaviour.fail = 3;
    await journal.append(batchOf(1, 2));
    const consumer = start("status/#", { batch: 1 });
    await settle();
    const pauses: number[] = [];
    while (behaviour.fail > 0) {
      const tries = batches.length;
      const before = clock.now();
      while (batches.length === tries) await clock.advance(10);
      pauses.push(clock.now() - before);
    }
    await clock.advance(1000);
    assert.deepEqual(batches, [[1], [1], [1], [1], [2]]);
    for (const [at, pause] of pauses.entries()) assert.ok(pause >= 50 * 2 ** at && pause <= 100 * 2 ** at + 10, `${pause} ms before try ${at + 1}`);
    assert.equal(await journal.cursor("reader"), 2);
    assert.equal(log[0]!.fields["error"], "broken");
    consumer.close();
    await consumer.ended;
    assert.equal(clock.timers, 0);
  });

  it("close() ends it while it waits to try again", async () => {
    const { journal, clock, behaviour, start } = setUp();
    behaviour.fail = 9;
    await journal.append(batchOf(1, 1));
    const consumer = start();
    await settle();
    assert.equal(clock.timers, 1);
    consumer.close();
    await consumer.ended;
    assert.equal(clock.timers, 0);
    assert.equal(await journal.cursor("reader"), 0);
  });

  it("says what retention has taken from it and goes on with what is left", async () => {
    const { journal, batches, log, start } = setUp(createMemoryJournal({ limit: 3 }));
    await journal.append(batchOf(1, 2));
    await journal.moveCursor("reader", 1);
    await journal.append(batchOf(3, 4));
    const consumer = start();
    await settle();
    assert.deepEqual(batches, [[4, 5, 6]]);
    assert.deepEqual([log[0]!.level, log[0]!.fields["after"], log[0]!.fields["oldest"]], ["error", 1, 4]);
    consumer.close();
    await consumer.ended;
  });

  it("moves past what does not match without calling the handler", async () => {
    const { journal, batches, start } = setUp();
    await journal.append(batchOf(1, 5, "event"));
    const consumer = start();
    await settle();
    assert.deepEqual(batches, []);
    assert.equal(await journal.cursor("reader"), 5);
    consumer.close();
    await consumer.ended;
  });

  it("tries again when the journal cannot be read", async () => {
    const journal = createMemoryJournal();
    await journal.append(batchOf(1, 1));
    let failures = 2;
    const broken: Journal = {
      epoch: journal.epoch, bounds: () => journal.bounds(), append: (batch) => journal.append(batch), retained: () => journal.retained(), dropCursor: (name) => journal.dropCursor(name),
      read: (query) => journal.read(query),
      cursor: (name) => {
        if (failures-- > 0) throw new Error("restarting");
        return journal.cursor(name);
      },
      moveCursor: (name, offset) => journal.moveCursor(name, offset),
    };
    const { clock, batches, start } = setUp(broken);
    const consumer = start();
    await clock.advance(1000);
    assert.deepEqual(batches, [[1]]);
    consumer.close();
    await consumer.ended;
  });
});
