import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLog } from "../log.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { MetricsRegistry } from "../metrics.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { DeadLetterBox } from "./dead-letter-box.ts";
import { Readers } from "./readers.ts";

const handler = async (): Promise<void> => {};

function setUp() {
  const clock = fakeClock();
  const journal = createMemoryJournal();
  const log = createLog({ clock, write: () => {} });
  const metrics = new MetricsRegistry();
  const letters = new DeadLetterBox({ deliver: () => Promise.reject(new Error("nobody refuses anything here")), log, metrics });
  const readers = new Readers({ clock, log, metrics, letters, last: () => journal.bounds().last });
  return { clock, journal, readers, settle: () => clock.advance(0).then(() => clock.advance(0)) };
}

describe("Readers", () => {
  it("consume() takes each name once, whether the journal is there yet or not", async () => {
    const { journal, readers } = setUp();
    const taken = { name: "TypeError", message: 'Cannot consume as "sink/a": there is a reader of that name' };
    const first = readers.consume("sink/a", "#", { handler });
    assert.throws(() => readers.consume("sink/a", "#", { handler }), taken);
    first.close();
    await first.ended;
    readers.consume("sink/a", "#", { handler });
    readers.open(journal);
    assert.throws(() => readers.consume("sink/a", "#", { handler }), taken);
    readers.consume("sink/b", "#", { handler });
    await readers.close();
  });

  it("consume() under the name of a reader that is closing begins when its last batch is settled", async () => {
    const { journal, readers, settle } = setUp();
    readers.open(journal);
    await journal.append([1, 2].map((payload) => journalMessage({ payload })));
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = readers.consume("sink/a", "#", { batch: 1, handler: () => promise });
    await settle();
    first.close();
    const seen: unknown[] = [];
    const second = readers.consume("sink/a", "#", { handler: async (batch) => void seen.push(...batch.map(({ message }) => message.payload)) });
    assert.throws(() => readers.consume("sink/a", "#", { handler }), TypeError);
    await settle();
    assert.deepEqual(seen, []);
    resolve();
    await settle();
    assert.deepEqual(seen, [2]);
    second.close();
    await readers.close();
  });

  it("consume() refuses names, patterns, lanes and numbers that are none", () => {
    const { readers } = setUp();
    assert.throws(() => readers.consume("sink/a b", "#", { handler }), TypeError);
    assert.throws(() => readers.consume("sink/a!live", "#", { handler }), TypeError);
    assert.throws(() => readers.consume("sink/a", ["#", "a//b"], { handler }), { code: "BAD_FRAME" });
    assert.throws(() => readers.consume("sink/a", "#", { handler, lanes: [{ name: "a", patterns: ["#/a"] }] }), { code: "BAD_FRAME" });
    for (const name of ["live", "backfill", "replay", "gap-1", "Alarm", ""]) assert.throws(() => readers.consume("sink/a", "#", { handler, lanes: [{ name, patterns: ["#"] }] }), TypeError);
    assert.throws(() => readers.consume("sink/a", "#", { handler, lanes: [{ name: "a", patterns: ["#"] }, { name: "a", patterns: ["#"] }] }), TypeError);
    for (const options of [{ batch: 0 }, { batch: 1.5 }, { batch: 10_001 }, { bytes: 0 }, { linger: -1 }, { overtake: Number.NaN }, { pace: -1 }, { late: -1 }]) assert.throws(() => readers.consume("sink/a", "#", { handler, ...options }), RangeError);
    readers.consume("sink/a", "#", { handler }).close();
  });
});
