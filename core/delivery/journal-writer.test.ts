import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Envelope, Message } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import { createLog, type LogRecord } from "../log.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { MetricsRegistry } from "../metrics.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { JournalWriter } from "./journal-writer.ts";
import { MessageLedger } from "./message-ledger.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A writer on a real journal whose appends a test can hold back or make fail. */
function setUp(options: { readonly highWater?: number; readonly batch?: number; readonly dedupeWindow?: number } = {}) {
  const journal = createMemoryJournal();
  const log: LogRecord[] = [];
  const batches: number[] = [];
  const dispatched: unknown[] = [];
  const kept: unknown[] = [];
  const gate = { hold: undefined as Promise<void> | undefined, failWith: undefined as unknown, throwWith: undefined as unknown, loseAnswer: undefined as unknown };
  const clock = fakeClock();
  const metrics = new MetricsRegistry();
  const recoveries: unknown[] = [];
  const writer = new JournalWriter({
    journal: {
      epoch: journal.epoch, bounds: () => journal.bounds(), read: (query) => journal.read(query), retained: () => journal.retained(),
      cursor: (name) => journal.cursor(name), cursors: () => journal.cursors(), moveCursor: (name, offset) => journal.moveCursor(name, offset), dropCursor: (name) => journal.dropCursor(name),
      append(batch: readonly Envelope[]) {
        batches.push(batch.length);
        if (gate.throwWith !== undefined) throw gate.throwWith;
        const { failWith, loseAnswer } = gate;
        return (gate.hold ?? Promise.resolve()).then(async () => {
          if (failWith !== undefined) throw failWith;
          const first = await journal.append(batch);
          if (loseAnswer !== undefined) throw loseAnswer;
          return first;
        });
      },
    },
    clock, metrics,
    log: createLog({ level: "debug", clock, write: (record) => log.push(record) }),
    ledger: new MessageLedger(metrics),
    probe: ({ messages }) => journalMessage({ type: "audit", msgid: `probe ${messages}` }) as Message,
    recovered: () => void recoveries.push(writer.refusal),
    highWater: 10, batch: 1000, dedupeWindow: 100, ...options,
    dispatch: (message, offset) => void dispatched.push([message.msgid, offset]),
    kept: (message, offset) => void kept.push([message.msgid, offset]),
  });
  const fates: unknown[] = [];
  const write = (msgid: string, more: { readonly qos?: 0 | 1 | 2; readonly from?: string; readonly live?: boolean } = {}): void =>
    writer.write(journalMessage({ qos: 1, retain: more.live ?? false, ...more, msgid }) as Message, (error, offset, duplicate) => fates.push(error === undefined ? [msgid, offset, duplicate] : [msgid, error instanceof BusbarError ? error.code : error]), more.live ?? false);
  return { writer, write, journal, log, batches, dispatched, kept, fates, gate, clock, recoveries };
}

describe("JournalWriter", () => {
  it("write() gathers a turn's messages into one commit and hands each over before its sender is told", async () => {
    const { writer, write, batches, dispatched, fates, journal } = setUp();
    for (const msgid of ["a", "b", "c"]) write(msgid);
    assert.equal(writer.depth, 3);
    assert.deepEqual([dispatched, fates], [[], []]);
    await writer.idle();
    assert.deepEqual(batches, [3]);
    assert.deepEqual(dispatched, [["a", 1], ["b", 2], ["c", 3]]);
    assert.deepEqual(fates, [["a", 1, false], ["b", 2, false], ["c", 3, false]]);
    assert.equal(writer.last, 3);
    assert.equal(journal.bounds().last, 3);
  });

  it("write() gathers the next commit while one runs, none larger than the limit", async () => {
    const { writer, write, batches, gate } = setUp({ batch: 2, highWater: 100 });
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.hold = promise;
    write("a");
    await turn();
    for (const msgid of ["b", "c", "d", "e", "f"]) write(msgid);
    await turn();
    assert.deepEqual(batches, [1]);
    resolve();
    await writer.idle();
    assert.deepEqual(batches, [1, 2, 2, 1]);
  });

  it("write() stores one of the same sender and msgid once, also while the first is on its way", async () => {
    const { writer, write, journal, dispatched, fates } = setUp();
    write("a");
    write("a");
    write("a", { from: "other" });
    write("a", { qos: 2 });
    await writer.idle();
    write("a");
    assert.deepEqual(fates, [["a", 1, false], ["a", 1, true], ["a", 1, true], ["a", 2, false], ["a", 1, true]]);
    assert.equal(dispatched.length, 2);
    assert.equal(journal.bounds().last, 2);
  });

  it("write() stores every message of qos 0, whatever its msgid", async () => {
    const { writer, write, journal } = setUp();
    for (let count = 0; count < 3; count++) write("a", { qos: 0, live: true });
    await writer.idle();
    assert.equal(journal.bounds().last, 3);
  });

  it("write() forgets the oldest beyond the window", async () => {
    const { writer, write, fates } = setUp({ dedupeWindow: 2 });
    for (const msgid of ["a", "b", "c"]) write(msgid);
    await writer.idle();
    write("c");
    write("a");
    await writer.idle();
    assert.deepEqual(fates.slice(3), [["c", 3, true], ["a", 4, false]]);
  });

  it("write() of what was seen live is kept, not handed over again", async () => {
    const { writer, write, dispatched, kept } = setUp();
    write("a", { qos: 0, live: true });
    await writer.idle();
    assert.deepEqual([dispatched, kept], [[], [["a", 1]]]);
  });

  it("write() tells everybody when the journal refuses, asks it no more until a message of our own is committed, and then takes the same msgids", async () => {
    const { writer, write, gate, fates, log, dispatched, batches, clock, recoveries } = setUp({ batch: 1 });
    gate.failWith = new BusbarError("OVERLOAD", "disk full");
    for (const msgid of ["a", "a", "b"]) write(msgid);
    await writer.idle();
    write("c");
    assert.deepEqual(fates, [["a", "OVERLOAD"], ["a", "OVERLOAD"], ["b", "OVERLOAD"], ["c", "OVERLOAD"]]);
    assert.deepEqual([batches, writer.last, writer.full, writer.behind, writer.waiting], [[1], 0, true, false, 0]);
    assert.deepEqual([writer.refusal!.error.message, writer.refusal!.messages, writer.refusal!.since], ["disk full", 4, clock.now()]);
    let ready = false;
    const waiting = writer.ready(new AbortController().signal).then(() => (ready = true));
    for (let pause = 0; pause < 12; pause++) await clock.advance(5000);
    assert.ok(batches.length >= 12 && batches.length < 30, `${batches.length} attempts in a minute`);
    assert.deepEqual([ready, recoveries], [false, []]);
    gate.failWith = undefined;
    await clock.advance(5000);
    await waiting;
    assert.deepEqual([writer.refusal, recoveries, dispatched, writer.last], [undefined, [undefined], [["probe 4", 1]], 1]);
    write("a");
    await writer.idle();
    assert.deepEqual([fates[4], dispatched[1]], [["a", 2, false], ["a", 2]]);
    assert.deepEqual(log.map((line) => line.level), ["error", "info"]);
  });

  it("write() asks a journal that refuses over and over less and less often, and anew once it was steady", async () => {
    const { writer, write, gate, clock } = setUp();
    const outage = async (): Promise<number> => {
      gate.failWith = new BusbarError("OVERLOAD", "disk full");
      write("x");
      await writer.idle();
      gate.failWith = undefined;
      const began = clock.now();
      while (writer.refusal !== undefined) await clock.advance(10);
      return clock.now() - began;
    };
    const pauses: number[] = [];
    for (let turn = 0; turn < 8; turn++) pauses.push(await outage());
    assert.ok(pauses[0]! <= 110 && pauses[3]! >= 400 && pauses[7]! >= 2500, String(pauses));
    await clock.advance(10_001);
    assert.ok((await outage()) <= 110);
  });

  it("write() refuses only the batch that cannot be written for another reason than the medium", async () => {
    const { writer, write, gate, fates } = setUp({ batch: 1 });
    gate.throwWith = new TypeError("cycle");
    write("a");
    await writer.idle();
    gate.throwWith = undefined;
    write("b");
    await writer.idle();
    assert.equal(writer.refusal, undefined);
    assert.deepEqual(fates.map((fate) => (fate as unknown[]).slice(0, 2).map(String)), [["a", "TypeError: cycle"], ["b", "1"]]);
  });

  it("write() goes on after a journal that threw at once, as the one of a plugin that restarts does", async () => {
    const { writer, write, gate, fates, clock } = setUp();
    gate.throwWith = new BusbarError("UNAVAILABLE", "restarting");
    write("a");
    await writer.idle();
    gate.throwWith = undefined;
    await clock.advance(200);
    write("b");
    await writer.idle();
    assert.deepEqual(fates, [["a", "UNAVAILABLE"], ["b", 2, false]]);
  });

  it("write() hands over what was committed although its answer got lost, and knows it when it comes again", async () => {
    const { writer, write, gate, fates, clock, dispatched, kept, journal } = setUp();
    gate.loseAnswer = new BusbarError("IO", "the thread ended");
    write("a");
    write("b", { qos: 0, live: true });
    await writer.idle();
    assert.deepEqual([fates, dispatched, journal.bounds().last], [[["a", "IO"], ["b", "IO"]], [], 2]);
    gate.loseAnswer = undefined;
    await clock.advance(200);
    assert.deepEqual([dispatched, kept, writer.last], [[["a", 1], ["probe 2", 3]], [["b", 2]], 3]);
    write("a");
    await writer.idle();
    assert.deepEqual(fates.slice(2), [["a", 1, true]]);
  });

  it("write() goes on when somebody who is told throws", async () => {
    const { writer, write, gate, fates, log } = setUp();
    const broken = (): never => {
      throw new Error("broken");
    };
    for (const failWith of [undefined, new Error("disk")]) {
      gate.failWith = failWith;
      writer.write(journalMessage({ qos: 1, msgid: "x" + failWith }) as Message, broken, false);
      write("y" + failWith);
      await writer.idle();
    }
    assert.deepEqual(fates.map((fate) => (fate as unknown[])[0]), ["yundefined", "yError: disk"]);
    assert.ok(log.some((line) => line.fields["error"] === "broken"));
    assert.equal(writer.depth, 0);
  });

  it("full and ready() hold sources back from the high-water mark on, until there is room", async () => {
    const { writer, write, gate } = setUp({ highWater: 2 });
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.hold = promise;
    write("a");
    await turn();
    await writer.ready(AbortSignal.abort());
    write("b");
    assert.equal(writer.full, false);
    write("c");
    assert.equal(writer.full, true);
    let ready = false;
    const waiting = writer.ready(new AbortController().signal).then(() => (ready = true));
    const abort = new AbortController();
    const given = assert.rejects(writer.ready(abort.signal), { message: "enough" });
    abort.abort(new Error("enough"));
    await given;
    await assert.rejects(writer.ready(AbortSignal.abort(new Error("before"))), { message: "before" });
    await turn();
    assert.equal(ready, false);
    resolve();
    await waiting;
    assert.equal(writer.full, false);
    await writer.idle();
  });

  it("write() refuses with OVERLOAD beyond four times the high-water mark, but answers what is known", async () => {
    const { writer, write, gate, fates } = setUp({ highWater: 2 });
    write("known");
    await writer.idle();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.hold = promise;
    write("a");
    await turn();
    for (let at = 0; at < 8; at++) write("b" + at);
    write("c");
    write("b0");
    write("known");
    assert.deepEqual(fates.slice(1), [["c", "OVERLOAD"], ["known", 1, true]]);
    resolve();
    await writer.idle();
    assert.equal(fates.length, 3 + 9 + 1);
    write("c");
    await writer.idle();
    assert.deepEqual(fates.at(-1), ["c", 11, false]);
  });

  it("idle() waits for what is being written too", async () => {
    const { writer, write, gate, fates } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.hold = promise;
    write("a");
    await turn();
    let idle = false;
    const waiting = writer.idle().then(() => (idle = true));
    await turn();
    assert.equal(idle, false);
    resolve();
    await waiting;
    assert.equal(fates.length, 1);
  });
});
