import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { BusbarError } from "../errors.ts";
import { formatPayload, type Draft, type Envelope } from "../envelope.ts";
import type { Journal } from "../journal.ts";
import { journalMessage, readAll, sameMessage } from "./journal-message.ts";
import { runJournalModel } from "./journal-model.ts";

/** An open journal and how to end it. */
export interface JournalUnderTest {
  readonly journal: Journal;
  /** Only for a durable journal: closes what is open and opens the same log again. `close` then closes the new one. */
  readonly reopen?: () => Promise<Journal>;
  /** Only for a durable journal: ends what is open as a crash would, whatever it is doing, and opens the same log again. */
  readonly crash?: () => Promise<Journal>;
  /** Only for a journal with retention: removes everything that no cursor needs, as far as it can (whole blocks may stay). */
  readonly retain?: () => Promise<void>;
  close(): Promise<void>;
}

/** How the suite runs. */
export interface JournalSuiteOptions {
  /** Cases that this implementation deviates from: the case's name (`read() …`) and the reason. */
  readonly skip?: Readonly<Record<string, string>>;
  /** Whether it outlives its process: what is asked of that is then checked too. Default true. */
  readonly durable?: boolean;
  /** Seed of the model test. Default: drawn; a failure prints it. */
  readonly seed?: number;
  /** How often the model test runs, each time with a seed of its own and a new journal. Default: the environment's BUSBAR_MODEL_RUNS, or 1. */
  readonly runs?: number;
}

/**
 * What every Journal must do, as cases of node:test. `open` makes a new, empty journal for each case.
 */
export function journalSuite(name: string, open: () => Promise<JournalUnderTest>, options: JournalSuiteOptions = {}): void {
  const add = (title: string, run: (under: JournalUnderTest) => Promise<void>): void => {
    test(`${name}: ${title}`, { skip: options.skip?.[title] ?? false }, async () => {
      const under = await open();
      try {
        await run(under);
      } finally {
        await under.close();
      }
    });
  };
  for (const [title, run] of Object.entries(options.durable === false ? cases : { ...cases, ...durableCases })) add(title, run);
  test(`${name}: follows a model through random operations`, async () => {
    for (let run = 0; run < (options.runs ?? Number(process.env["BUSBAR_MODEL_RUNS"] ?? 1)); run++) {
      const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
      const under = await open();
      try {
        await runJournalModel(under, seed);
      } catch (error) {
        throw new Error(`Cannot follow the model: it fails with seed ${seed}`, { cause: error });
      } finally {
        await under.close();
      }
    }
  });
}

const unknownOffset = (error: unknown): boolean => error instanceof BusbarError && error.code === "UNKNOWN_OFFSET";
const from = (count: number, draft: (at: number) => Partial<Draft> = (at) => ({ payload: at })): Envelope[] => Array.from({ length: count }, (_, at) => journalMessage(draft(at)));

const cases: Readonly<Record<string, (under: JournalUnderTest) => Promise<void>>> = {
  "bounds() of an empty journal has first > last and read() after 0 finds nothing": async ({ journal }) => {
    const { first, last } = journal.bounds();
    assert.ok(first > last);
    assert.deepEqual(await journal.read({ after: last, limit: 10 }), { entries: [], until: last });
    assert.deepEqual(await journal.retained(), []);
    assert.match(journal.epoch, /^\S+$/);
  },

  "append() gives message i the returned offset plus i, and offsets only grow": async ({ journal }) => {
    let last = journal.bounds().last;
    for (const size of [1, 3, 1, 250, 2]) {
      const batch = from(size);
      const first = await journal.append(batch);
      assert.ok(Number.isSafeInteger(first) && first > last && first > 0);
      last = first + size - 1;
      assert.equal(journal.bounds().last, last);
      const page = await journal.read({ after: first - 1, limit: 1000 });
      assert.deepEqual(page.entries.map((entry) => entry.offset), batch.map((_, at) => first + at));
      page.entries.forEach((entry, at) => sameMessage(entry.message, batch[at]!));
    }
  },

  "append() of 10,000 messages is one batch": async ({ journal }) => {
    const first = await journal.append(from(10_000));
    assert.deepEqual(journal.bounds(), { first, last: first + 9999 });
    const all = await readAll(journal, { after: first - 1, limit: 999 });
    assert.deepEqual(all.map((entry) => entry.message.payload), Array.from({ length: 10_000 }, (_, at) => at));
  },

  "append() refuses an empty batch and one of 10,001": async ({ journal }) => {
    await assert.rejects(journal.append([]), RangeError);
    await assert.rejects(journal.append(from(10_001)), RangeError);
    assert.ok(journal.bounds().first > journal.bounds().last);
  },

  "read() pages through everything, whatever the limit": async ({ journal }) => {
    const batch = from(40);
    const first = await journal.append(batch.slice(0, 25));
    await journal.append(batch.slice(25));
    for (const limit of [1, 7, 25, 40, 10_000]) {
      const all = await readAll(journal, { after: first - 1, limit });
      assert.deepEqual(all.map((entry) => entry.message.msgid), batch.map((message) => message.msgid));
    }
    assert.deepEqual((await readAll(journal, { after: first + 36 })).map((entry) => entry.offset), [first + 37, first + 38, first + 39]);
    await assert.rejects(journal.read({ after: first, limit: 0 }), RangeError);
    await assert.rejects(journal.read({ after: first, limit: 10_001 }), RangeError);
  },

  "read() with a pattern finds what matches and its until says what need not be read again": async ({ journal }) => {
    const batch = from(300, (at) => ({ from: at % 3 === 0 ? "home/lamp" : "plc-7", type: at % 2 === 0 ? "status" : "event" }));
    const first = await journal.append(batch);
    for (const [pattern, wanted] of [["status/home/lamp", (at: number) => at % 6 === 0], ["+/plc-7", (at: number) => at % 3 !== 0], ["event/#", (at: number) => at % 2 === 1], [["status/home/lamp", "event/plc-7"], (at: number) => (at % 2 === 0) === (at % 3 === 0)], [[], () => false], ["alarm/#", () => false]] as const) {
      for (const limit of [1, 13, 1000]) {
        const found = await readAll(journal, { after: first - 1, limit, pattern });
        assert.deepEqual(found.map((entry) => entry.offset - first), batch.map((_, at) => at).filter(wanted), `${pattern} by ${limit}`);
      }
    }
  },

  "read() rejects UNKNOWN_OFFSET before what is left and beyond the newest": async ({ journal }) => {
    const first = await journal.append(from(3));
    await assert.rejects(journal.read({ after: first + 3, limit: 1 }), unknownOffset);
    await assert.rejects(journal.read({ after: -1, limit: 1 }), (error: Error) => unknownOffset(error) && error.message.includes(String(first)));
    assert.deepEqual((await journal.read({ after: first + 2, limit: 1 })).entries, []);
  },

  "read() gives back every kind of payload": async ({ journal }) => {
    const nested = { list: [1, [2, { deep: [true, false, null, "x", 1e-7] }]], "": {}, ключ: "значение" };
    let deep: unknown = 1;
    for (let at = 0; at < 200; at++) deep = [deep];
    const payloads: unknown[] = [null, true, 0, -0.5, 2 ** 53, 1e308, "", "plain", "a\u0000b\n\"\\", "❄️ 温度 \u{1F600}", nested, deep, [], {}, new Uint8Array(0), new Uint8Array([0, 1, 254, 255]), new Uint8Array(70_000).fill(7), "x".repeat(900_000), "é".repeat(100_000), { $base64: 5 }];
    const batch = payloads.map((payload) => journalMessage({ payload }));
    const first = await journal.append(batch);
    const all = await readAll(journal, { after: first - 1 });
    assert.equal(all.length, batch.length);
    all.forEach((entry, at) => assert.equal(formatPayload(entry.message.payload), formatPayload(payloads[at]), `payload ${at}`));
    all.forEach((entry, at) => sameMessage(entry.message, batch[at]!));
  },

  "read() gives back every field": async ({ journal }) => {
    const longest = "level-01/".repeat(28) + "tail";
    const batch = [
      journalMessage({ type: "command", from: "app@home:1", to: "lamp-1", msgid: "ж".repeat(32), qos: 2, retain: false, expires: 8_640_000_000_000_000, replace: "я".repeat(32), timestamp: 1 }),
      journalMessage({ type: "x".repeat(32), from: longest, to: longest, qos: 1, retain: true, payload: "kept", timestamp: 1_750_000_000_000 }, 1_750_000_000_123),
    ];
    const first = await journal.append(batch);
    const { entries } = await journal.read({ after: first - 1, limit: 2 });
    assert.equal(entries[0]!.message.topic, "command/lamp-1");
    entries.forEach((entry, at) => sameMessage(entry.message, batch[at]!));
    const kept = await journal.retained();
    assert.equal(kept.length, 1);
    sameMessage(kept[0]!.message, batch[1]!);
  },

  "retained() has the last retained message of each topic in order of offset, and null or empty bytes clear it": async ({ journal }) => {
    const keep = (id: string, payload: unknown): Envelope => journalMessage({ from: id, payload, retain: true });
    const read = async (): Promise<unknown[]> => (await journal.retained()).map((entry) => [entry.message.topic, entry.message.payload]);
    const first = await journal.append([keep("a", 1), keep("b", 2), journalMessage({ from: "a", payload: "not kept" }), keep("c", 3), keep("a", 4)]);
    assert.deepEqual(await read(), [["status/b", 2], ["status/c", 3], ["status/a", 4]]);
    assert.deepEqual((await journal.retained()).map((entry) => entry.offset), [first + 1, first + 3, first + 4]);
    await journal.append([keep("b", null), keep("c", new Uint8Array(0)), keep("d", 0), keep("e", ""), keep("f", false), keep("f", null), keep("never", null)]);
    assert.deepEqual(await read(), [["status/a", 4], ["status/d", 0], ["status/e", ""]]);
    await journal.append([keep("b", 5)]);
    assert.deepEqual(await read(), [["status/a", 4], ["status/d", 0], ["status/e", ""], ["status/b", 5]]);
  },

  "moveCursor() makes and moves, dropCursor() forgets": async ({ journal }) => {
    const first = await journal.append(from(10));
    assert.equal(await journal.cursor("egress"), undefined);
    await journal.moveCursor("egress", first);
    await journal.moveCursor("other/ключ", first + 5);
    await journal.moveCursor("egress", first + 9);
    assert.equal(await journal.cursor("egress"), first + 9);
    assert.equal(await journal.cursor("other/ключ"), first + 5);
    assert.deepEqual(await journal.cursors(), new Map([["egress", first + 9], ["other/ключ", first + 5]]));
    await journal.dropCursor("egress");
    await journal.dropCursor("never was");
    assert.equal(await journal.cursor("egress"), undefined);
    assert.equal(await journal.cursor("other/ключ"), first + 5);
    await assert.rejects(journal.moveCursor("egress", -1), RangeError);
  },

  "read() meanwhile sees whole batches only": async ({ journal }) => {
    const start = journal.bounds().last;
    let writing = true;
    const writer = (async () => {
      for (let at = 0; at < 20; at++) await journal.append(from(7, () => ({ payload: at })));
      writing = false;
    })();
    while (writing) {
      const all = await readAll(journal, { after: start });
      assert.equal(all.length % 7, 0, `${all.length} entries are a part of a batch`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writer;
    assert.equal((await readAll(journal, { after: start })).length, 140);
  },
};

/** What a journal that outlives its process does besides. */
const durableCases: typeof cases = {
  "reopening keeps epoch, offsets, entries, retained values and cursors": async ({ journal, reopen }) => {
    assert.ok(reopen, "only for a durable journal");
    const batch = from(5, (at) => ({ from: "d" + at, payload: { at }, retain: at % 2 === 0 }));
    const first = await journal.append(batch);
    await journal.append([journalMessage({ from: "d2", payload: null, retain: true })]);
    await journal.moveCursor("reader", first + 2);
    const { epoch } = journal;
    const bounds = journal.bounds();
    const again = await reopen();
    assert.equal(again.epoch, epoch);
    assert.deepEqual(again.bounds(), bounds);
    assert.equal(await again.cursor("reader"), first + 2);
    const all = await readAll(again, { after: first - 1 });
    batch.forEach((message, at) => sameMessage(all[at]!.message, message));
    assert.deepEqual((await again.retained()).map((entry) => entry.message.topic), ["status/d0", "status/d4"]);
    assert.equal(await again.append(from(1)), bounds.last + 1);
  },
};
