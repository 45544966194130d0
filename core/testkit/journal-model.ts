import assert from "node:assert/strict";
import { clearsRetained, type Journal } from "../journal.ts";
import type { Envelope } from "../envelope.ts";
import { matchesAny } from "../topic.ts";
import { createRandom } from "./create-random.ts";
import { journalMessage, readAll, sameMessage } from "./journal-message.ts";
import type { JournalUnderTest } from "./journal-suite.ts";

const patterns: readonly (string | readonly string[])[] = ["#", "status/#", "+/d1", "event/d0", "status/+/x", "none/#", ["event/#", "status/d1"], ["#", "command/d2"], "command/#", ["command/+", "ack/#"], []];

/**
 * Runs 120 operations drawn from `seed` against a journal and against plain arrays and maps, and compares after each: appends, reads of one or several patterns, cursors, retained
 * values, and, where the journal has them, retention, closing and opening again, and being cut off in the midst of an append.
 */
export async function runJournalModel(under: JournalUnderTest, seed: number): Promise<void> {
  const random = createRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const entries: { offset: number; message: Envelope }[] = [];
  const kept = new Map<string, { offset: number; message: Envelope }>();
  const cursors = new Map<string, number>();
  let journal: Journal = under.journal;
  const { epoch } = journal;
  const start = journal.bounds().last;

  let oldest = journal.bounds().first;
  let last = start;
  const take = (first: number, batch: readonly Envelope[]): void => {
    batch.forEach((message, at) => {
      const entry = { offset: first + at, message };
      entries.push(entry);
      if (!message.retain) return;
      kept.delete(message.topic);
      if (!clearsRetained(message.payload)) kept.set(message.topic, entry);
    });
    last = first + batch.length - 1;
  };

  for (let step = 0; step < 120; step++) {
    const kind = below(10);
    if (kind < 5) {
      const batch = Array.from({ length: 1 + below(below(8) === 0 ? 400 : 6) }, () => drawMessage(below));
      const first = await journal.append(batch);
      assert.ok(first > last);
      take(first, batch);
    } else if (kind < 7) {
      const pattern = patterns[below(patterns.length)]!;
      const after = Math.max(oldest - 1, below(3) === 0 ? start : (entries[below(entries.length)]?.offset ?? last));
      const found = await readAll(journal, { after, limit: 1 + below(300), pattern });
      const wanted = entries.filter((entry) => entry.offset > after && matchesAny(pattern, entry.message.topic));
      assert.deepEqual(found.map((entry) => entry.offset), wanted.map((entry) => entry.offset), `step ${step}: ${pattern} after ${after}`);
      found.forEach((entry, at) => sameMessage(entry.message, wanted[at]!.message));
    } else if (kind === 7) {
      const cursor = "cursor-" + below(4);
      if (below(4) === 0) {
        await journal.dropCursor(cursor);
        cursors.delete(cursor);
      } else {
        const offset = start + below(1 + journal.bounds().last - start);
        await journal.moveCursor(cursor, offset);
        cursors.set(cursor, offset);
      }
    } else if (kind === 8) {
      const found = await journal.retained();
      assert.deepEqual(found.map((entry) => [entry.offset, entry.message.topic]), [...kept.values()].map((entry) => [entry.offset, entry.message.topic]), `step ${step}: retained`);
      found.forEach((entry) => sameMessage(entry.message, kept.get(entry.message.topic)!.message));
    } else if (under.reopen && below(3) === 0) {
      journal = await under.reopen();
    } else if (under.crash && below(3) === 0) {
      const batch = Array.from({ length: 1 + below(300) }, () => drawMessage(below));
      const settled = journal.append(batch).then(() => true, () => false);
      journal = await under.crash();
      const told = await settled;
      const there = journal.bounds().last > last;
      assert.ok(there || !told, `step ${step}: what was acknowledged is there`);
      if (there) take(journal.bounds().last - batch.length + 1, batch); // it was on its way: all of it is there, or nothing
    } else if (under.retain && entries.length > 0) {
      const needed = Math.min(Number.POSITIVE_INFINITY, ...cursors.values());
      await under.retain();
      const { first } = journal.bounds();
      assert.ok(first >= oldest && first - 1 <= Math.max(needed, oldest - 1), `step ${step}: retention left ${first}, a reader stands at ${needed}`);
      oldest = first;
      while (entries.length > 0 && entries[0]!.offset < first) entries.shift();
      await assert.rejects(journal.read({ after: first - 2, limit: 1 }), { code: "UNKNOWN_OFFSET", resumeAfter: first - 1 });
    }
    assert.equal(journal.epoch, epoch);
    assert.equal(journal.bounds().last, last, `step ${step}: last`);
    for (let at = 0; at < 4; at++) assert.equal(await journal.cursor("cursor-" + at), cursors.get("cursor-" + at), `step ${step}: cursor-${at}`);
  }
}

function drawMessage(below: (limit: number) => number): Envelope {
  const payloads: unknown[] = [null, below(1000) / 8, "text " + below(10), { a: [below(5), null], b: "ü" }, new Uint8Array(below(4)).fill(below(256)), "long ".repeat(below(3000)), true];
  const to = below(6) === 0 ? { to: "d" + below(3) } : {};
  return journalMessage({ type: ["status", "event", "command"][below(3)]!, from: ["d0", "d1", "d1/x", "d2"][below(4)]!, ...to, payload: payloads[below(payloads.length)], retain: below(3) === 0, qos: below(3) as 0 | 1 | 2, expires: below(5) === 0 ? 1_800_000_000_000 + below(1000) : undefined, replace: below(5) === 0 ? "key " + below(3) : undefined });
}
