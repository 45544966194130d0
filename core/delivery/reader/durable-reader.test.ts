import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BusbarError } from "../../errors.ts";
import type { Journal } from "../../journal.ts";
import { createMemoryJournal } from "../../memory-journal.ts";
import { drafts, readerUnderTest } from "./reader-fixture.ts";

/** What everything after may differ in; the rest of a journal is the real one. */
const wrap = (journal: Journal, changes: Partial<Journal>): Journal => ({
  epoch: journal.epoch,
  bounds: () => journal.bounds(),
  append: (batch) => journal.append(batch),
  read: (query) => journal.read(query),
  retained: () => journal.retained(),
  cursor: (name) => journal.cursor(name),
  cursors: () => journal.cursors(),
  moveCursor: (name, offset) => journal.moveCursor(name, offset),
  dropCursor: (name) => journal.dropCursor(name),
  ...changes,
});

describe("DurableReader", () => {
  it("hands over what there is, in order and in batches, and then what comes", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 5), ...drafts(100, 3, { type: "event" }));
    subject.start("status/#", { batch: 2 });
    await subject.settle();
    assert.deepEqual(subject.batches, [[1, 2], [3, 4], [5]]);
    await subject.add({ payload: 6 });
    await subject.settle();
    assert.deepEqual(subject.batches.at(-1), [6]);
    await subject.close();
    assert.equal(await subject.journal.cursor("sink/main"), 9);
  });

  it("does not read again what is committed while it has nothing left to read, and reads what it had no room for", async () => {
    const subject = readerUnderTest();
    let reads = 0;
    const journal = wrap(subject.journal, { read: (query) => (reads++, subject.journal.read(query)) });
    await subject.add(...drafts(1, 2));
    subject.start("status/#", { batch: 4, journal });
    await subject.settle();
    assert.equal(reads, 1);
    await subject.add(...drafts(3, 2), { payload: 0, type: "event" });
    await subject.add({ payload: 5 });
    await subject.settle();
    assert.deepEqual([subject.batches.flat(), reads], [[1, 2, 3, 4, 5], 1]);
    await subject.add(...drafts(6, 9));
    await subject.settle();
    assert.deepEqual(subject.batches, [[1, 2], [3, 4, 5], [6, 7, 8, 9], [10, 11, 12, 13], [14]]);
    assert.ok(reads > 1);
    await subject.close();
    assert.equal(await subject.journal.cursor("sink/main"), 15);
  });

  it("begins with what comes from now on when asked to, and says so in its cursor at once", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 5));
    subject.start("status/#", { start: "now" });
    await subject.settle();
    assert.equal(await subject.journal.cursor("sink/main"), 5);
    await subject.add({ payload: 6 });
    await subject.settle();
    assert.deepEqual(subject.batches, [[6]]);
    await subject.close();
  });

  it("moves the cursor only when the handler has resolved, and goes on from there another time", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 3));
    const { promise, resolve } = Promise.withResolvers<void>();
    subject.behave = () => promise;
    const first = subject.start("#", { batch: 2 });
    await subject.settle();
    assert.equal(await subject.journal.cursor("sink/main"), 0);
    let ended = false;
    first.close();
    void first.ended.then(() => (ended = true));
    await subject.settle();
    assert.equal(ended, false, "a batch is out");
    resolve();
    await first.ended;
    assert.equal(await subject.journal.cursor("sink/main"), 2);
    subject.start("#", { batch: 2, start: "now" });
    await subject.settle();
    assert.deepEqual(subject.batches, [[1, 2], [3]]);
    await subject.close();
  });

  it("repeats what the handler refuses, the same batch, with growing pauses, and lets nothing pass it", async () => {
    const subject = readerUnderTest();
    const { clock, handed } = subject;
    let failures = 3;
    subject.behave = () => {
      if (failures-- > 0) throw new Error("broken");
    };
    await subject.add({ payload: 1 });
    const reader = subject.start("#", { batch: 10 });
    await subject.settle();
    assert.equal(reader.status().failing, "broken");
    await subject.add({ payload: 2 });
    await clock.advance(2000);
    assert.deepEqual(handed.map(({ payloads, attempt }) => [payloads, attempt]), [[[1], 0], [[1], 1], [[1], 2], [[1], 3], [[2], 0]]);
    for (let at = 0; at < 3; at++) {
      const pause = handed[at + 1]!.at - handed[at]!.at;
      assert.ok(pause >= 50 * 2 ** at && pause <= 100 * 2 ** at, `${pause} ms before try ${at + 1}`);
    }
    assert.deepEqual([subject.log[0]!.level, subject.log[0]!.fields["error"]], ["warn", "broken"]);
    assert.equal(reader.status().failing, undefined);
    assert.equal(subject.metric('busbar_reader_retries_total{reader="sink/main"}'), 3);
    await subject.close();
    assert.equal(clock.timers, 0);
  });

  it("waits as long as the other side says", async () => {
    const subject = readerUnderTest();
    subject.behave = (_batch, { attempt }) => {
      if (attempt === 0) throw new BusbarError("UNAVAILABLE", "busy", { retryAfter: 12_345 });
    };
    await subject.add({ payload: 1 });
    subject.start();
    await subject.clock.advance(20_000);
    assert.deepEqual(subject.handed.map(({ at }) => at), [0, 12_345]);
    await subject.close();
  });

  it("close() ends it while it waits to try again, and aborts the signal of the batch that is out", async () => {
    const subject = readerUnderTest();
    subject.behave = () => {
      throw new Error("broken");
    };
    await subject.add({ payload: 1 });
    const first = subject.start();
    await subject.settle();
    assert.equal(subject.clock.timers, 1);
    first.close();
    await first.ended;
    assert.equal(subject.clock.timers, 0);
    assert.equal(await subject.journal.cursor("sink/main"), 0);
    subject.behave = (_batch, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const second = subject.start();
    await subject.settle();
    second.close();
    await second.ended;
    assert.equal(await subject.journal.cursor("sink/main"), 0);
  });

  it("moves past what does not match without calling the handler, and writes that down now and then and at the end", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 5, { type: "event" }));
    const reader = subject.start("status/#");
    await subject.settle();
    assert.deepEqual(reader.status().lanes, [{ lane: "live", offset: 5, behind: 0 }]);
    assert.equal(await subject.journal.cursor("sink/main"), 0);
    await subject.add(...drafts(6, 1100, { type: "event" }));
    await subject.settle();
    assert.equal(await subject.journal.cursor("sink/main"), 1105, "retention would wait for it");
    await subject.add(...drafts(1, 5, { type: "event" }));
    await subject.close();
    assert.equal(await subject.journal.cursor("sink/main"), 1110);
    assert.deepEqual(subject.handed, []);
  });

  it("tries again when the journal cannot be read or asked", async () => {
    const journal = createMemoryJournal();
    let failures = 4;
    const fail = (): void => {
      if (failures-- > 0) throw new BusbarError("UNAVAILABLE", "restarting");
    };
    const subject = readerUnderTest(wrap(journal, {
      cursors() {
        fail();
        return journal.cursors();
      },
      read(query) {
        if (failures <= 2) fail();
        return journal.read(query);
      },
    }));
    await subject.add({ payload: 1 });
    subject.start();
    await subject.clock.advance(5000);
    assert.deepEqual(subject.batches, [[1]]);
    assert.equal(failures, -2);
    await subject.close();
  });

  it("does not repeat a batch because its place cannot be written down", async () => {
    const journal = createMemoryJournal();
    let failures = 3;
    const subject = readerUnderTest(wrap(journal, {
      async moveCursor(name, offset) {
        if (offset > 0 && failures-- > 0) throw new BusbarError("IO", "disk");
        await journal.moveCursor(name, offset);
      },
    }));
    await subject.add(...drafts(1, 2));
    subject.start("#", { batch: 1 });
    await subject.clock.advance(5000);
    assert.deepEqual(subject.batches, [[1], [2]]);
    assert.equal(await journal.cursor("sink/main"), 2);
    await subject.close();
  });

  it("says what retention has taken from it, counts it and goes on with what is left", async () => {
    const subject = readerUnderTest(createMemoryJournal({ limit: 3 }));
    await subject.add(...drafts(1, 2));
    await subject.journal.moveCursor("sink/main", 1);
    await subject.add(...drafts(3, 4));
    subject.start();
    await subject.settle();
    assert.deepEqual(subject.batches, [[4, 5, 6]]);
    const { level, fields } = subject.log[0]!;
    assert.deepEqual([level, fields["after"], fields["resumeAfter"], fields["count"]], ["error", 1, 3, 2]);
    assert.equal(subject.metric('busbar_reader_lost_total{reader="sink/main",reason="UNKNOWN_OFFSET"}'), 2);
    await subject.close();
  });

  it("goes on behind what is damaged, says so once and counts it once, however many lanes come by", async () => {
    const journal = createMemoryJournal();
    const subject = readerUnderTest(wrap(journal, {
      async read(query) {
        if (query.after >= 12) return journal.read(query);
        if (query.after >= 2) throw new BusbarError("DAMAGED", "Cannot read the journal: entries 3 to 12 are damaged", { resumeAfter: 12 });
        const page = await journal.read(query);
        return { entries: page.entries.filter(({ offset }) => offset <= 2), until: 2 };
      },
    }));
    await subject.add(...drafts(1, 20));
    subject.start("#", { lanes: [{ name: "alarm", patterns: ["event/#"] }], linger: 5 });
    await subject.clock.advance(10);
    assert.deepEqual(subject.batches.flat(), [1, 2, 13, 14, 15, 16, 17, 18, 19, 20]);
    assert.equal(subject.metric('busbar_reader_lost_total{reader="sink/main",reason="DAMAGED"}'), 10);
    assert.equal(subject.log.filter(({ level }) => level === "error").length, 1);
    await subject.close();
  });

  it("begins anew when the journal has become another one while it ran", async () => {
    let journal = createMemoryJournal();
    const proxy = new Proxy({} as Journal, {
      get: (_target, key) => {
        const member: unknown = Reflect.get(journal, key);
        return typeof member === "function" ? member.bind(journal) : member;
      },
    });
    const subject = readerUnderTest(proxy);
    const { promise, resolve } = Promise.withResolvers<void>();
    await subject.add(...drafts(1, 50));
    subject.start("#", { batch: 25 });
    await subject.settle();
    subject.behave = () => promise;
    await subject.add({ payload: 51 });
    await subject.settle();
    journal = createMemoryJournal();
    resolve();
    await subject.add({ payload: "new" });
    await subject.settle();
    assert.deepEqual(subject.batches.slice(2), [[51], ["new"]]);
    assert.equal(await journal.cursor("sink/main"), 1);
    assert.ok(subject.log.some(({ level, message }) => level === "error" && message.startsWith("journal is another one")));
    await subject.close();
  });

  it("goes back to the end of a journal that has lost its end", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 3));
    await subject.journal.moveCursor("sink/main", 7);
    await subject.journal.moveCursor("sink/main!gap-6", 2);
    subject.start();
    await subject.settle();
    assert.deepEqual([...(await subject.journal.cursors())], [["sink/main", 3]]);
    await subject.add({ payload: 4 });
    await subject.settle();
    assert.deepEqual(subject.batches, [[3], [4]], "3 was in what it had left behind");
    await subject.close();
  });
});
