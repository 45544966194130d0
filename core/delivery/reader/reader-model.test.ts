import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Delivery, Lane } from "../../bus.ts";
import { BusbarError } from "../../errors.ts";
import type { Entry, Journal } from "../../journal.ts";
import { createRandom } from "../../testkit/create-random.ts";
import type { DurableReader } from "./durable-reader.ts";
import { readerUnderTest } from "./reader-fixture.ts";

const lanes: readonly Lane[] = [
  { name: "alarm", patterns: ["event/#"] },
  { name: "command", patterns: ["command/#"] },
];
const types = ["status", "status", "status", "event", "command", "unwanted"];
const runs = Number(globalThis.process.env["BUSBAR_READER_RUNS"] ?? 60);

/**
 * One life of a reader drawn from `seed`: messages come, the other side is away or slow, readers are closed and begun anew. Every entry is to be taken, in the order of its lane,
 * and none twice but those of the batch that a reader had out when it ended.
 */
async function live(seed: number): Promise<void> {
  const random = createRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const subject = readerUnderTest();
  const overtake = below(2) === 0 ? 500 * (1 + below(20)) : undefined;
  const options = { batch: 1 + below(8), bytes: 1 + below(60), linger: below(3) * 40, late: 2000, pace: below(3) * 50, lanes: lanes.slice(0, below(3)), ...(overtake === undefined ? {} : { overtake }) };
  const laneOf = (type: string): string => options.lanes.find(({ patterns }) => patterns[0] === `${type}/#`)?.name ?? "live";
  const wanted = new Map<number, string>();
  const taken = new Map<number, number>();
  /** Of each lane the order in which entries were taken for the first time. */
  const firsts = new Map<string, number[]>();
  /** Entries of the batches that were out, or not written down yet, when a process died. */
  const mayRepeat = new Set<number>();
  let process = mortal(subject.journal);
  let last: readonly Entry[] = [];
  const faults: string[] = [];
  let count = 0;
  let away = false;
  let failEach = 0;
  let out: readonly Entry[] = [];
  let reader: DurableReader;

  subject.behave = async (batch, { lane, late, signal }: Delivery) => {
    if (out.length > 0) faults.push("two batches at a time");
    out = last = batch;
    try {
      if (below(3) === 0) await subject.clock.sleep(below(300), signal);
      if (away || below(10) < failEach) throw new Error("away");
    } finally {
      out = [];
    }
    if (batch.length > options.batch) faults.push(`${batch.length} in a batch`);
    for (const { offset, message } of batch) {
      if ((lane === "backfill" ? "live" : lane) !== laneOf(message.type) || (lane === "backfill" && !late)) faults.push(`${message.type} in ${lane}`);
      const before = taken.get(offset) ?? 0;
      if (before > 0 && !mayRepeat.has(offset)) faults.push(`${offset} again`);
      taken.set(offset, before + 1);
      if (before > 0) continue;
      const order = firsts.get(lane) ?? [];
      if (offset < (order.at(-1) ?? 0)) faults.push(`${lane}: ${offset} after ${order.at(-1)}`);
      order.push(offset);
      firsts.set(lane, order);
    }
  };
  const start = (): void => {
    process = mortal(subject.journal);
    reader = subject.start(["status/#", "event/#", "command/#"], { ...options, journal: process.journal });
  };
  const end = async (): Promise<void> => {
    reader.close();
    await subject.clock.advance(1000);
    await reader.ended;
    if (process.dead) for (const { offset } of last) mayRepeat.add(offset);
  };

  start();
  for (let step = 0; step < 60; step++) {
    const kind = below(10);
    if (kind < 5) {
      const drafts = Array.from({ length: 1 + below(6) }, () => ({ type: types[below(types.length)]!, payload: ++count }));
      const { last } = subject.journal.bounds();
      drafts.forEach(({ type }, at) => type === "unwanted" || wanted.set(last + 1 + at, type));
      await subject.add(...drafts);
    } else if (kind === 5) away = !away;
    else if (kind === 6) failEach = below(6);
    else if (kind === 7) {
      if (below(2) === 0) process.dead = true;
      await end();
      if (below(2) === 0) await subject.clock.advance(below(10_000));
      start();
    } else if (kind === 8 && below(2) === 0) process.writes = below(5);
    else await subject.clock.advance(below(4000));
  }
  await end();
  start();
  away = false;
  failEach = 0;
  for (let wait = 0; wait < 200 && taken.size < wanted.size; wait++) await subject.clock.advance(2000);
  assert.deepEqual([...taken.keys()].sort((a, b) => a - b), [...wanted.keys()], "every entry that is wanted, and no other");
  assert.deepEqual(faults, []);
  await subject.clock.advance(60_000);
  await subject.close();
  const cursors = await subject.journal.cursors();
  assert.deepEqual([...cursors.keys()].filter((name) => name.includes("gap-")), []);
  for (const [name, offset] of cursors) assert.equal(offset, subject.journal.bounds().last, name);
  assert.equal(subject.clock.timers, 0);
}

/** The journal as a process sees it that dies after so many writes of cursors. */
function mortal(journal: Journal) {
  const state = { dead: false, writes: Number.POSITIVE_INFINITY, journal };
  const alive = (): void => {
    if (state.dead) throw new BusbarError("CLOSED", "the process has died");
  };
  const write = (): void => {
    alive();
    if (state.writes-- <= 0) state.dead = true;
    alive();
  };
  state.journal = {
    epoch: journal.epoch,
    bounds: () => journal.bounds(),
    append: (batch) => journal.append(batch),
    retained: () => journal.retained(),
    async read(query) {
      alive();
      return journal.read(query);
    },
    cursor: (name) => journal.cursor(name),
    async cursors() {
      alive();
      return journal.cursors();
    },
    async moveCursor(name, offset) {
      write();
      await journal.moveCursor(name, offset);
    },
    async dropCursor(name) {
      write();
      await journal.dropCursor(name);
    },
  };
  return state;
}

describe("DurableReader", () => {
  it(`loses, repeats and reorders nothing in ${runs} lives drawn at random`, async () => {
    const base = Number(globalThis.process.env["BUSBAR_SEED"] ?? Date.now() % 1_000_000);
    for (let run = 0; run < runs; run++) {
      try {
        await live(base + run);
      } catch (error) {
        throw new Error(`with BUSBAR_SEED=${base + run} BUSBAR_READER_RUNS=1`, { cause: error });
      }
    }
  });
});
