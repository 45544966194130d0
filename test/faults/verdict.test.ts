import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkEvents } from "./links.ts";
import { loadPayload, Source } from "./source.ts";
import { Verdict } from "./verdict.ts";

/** A source that has sent 1 to `sent`, of which `acknowledged` are. */
async function sourceOf(sent: number, acknowledged: readonly number[]): Promise<Source> {
  let events!: LinkEvents;
  const link = { send: () => {}, subscribe: () => {}, acknowledge: () => {}, destroy: () => {} };
  const source = new Source({ id: "load/a", token: "", type: "status", qos: 1, open: (_urls, _identity, told) => ((events = told), setImmediate(() => told.ready?.()), link) });
  await source.connect(new Map());
  source.load(sent);
  for (const n of acknowledged) events.acked?.(String(n), n === 2 ? 20 : undefined);
  return source;
}

const found = (n: number, offset = n * 10): { from: string; msgid: string; payload: unknown; offset: number } => ({ from: "load/a", msgid: String(n), payload: loadPayload("load/a", n), offset });

test("Verdict is content with everything acknowledged once and in order, and with what was never acknowledged", async () => {
  const verdict = new Verdict([await sourceOf(4, [1, 2, 3])]);
  for (const n of [1, 2, 3]) verdict.take(found(n));
  assert.deepEqual(verdict.finish(), { sent: 4, acknowledged: 3, found: 3, lost: 0, doubled: 0, reordered: 0 });
  assert.deepEqual(verdict.problems, []);
});

test("Verdict counts what is lost, doubled and reordered", async () => {
  const verdict = new Verdict([await sourceOf(5, [1, 2, 3, 4, 5])]);
  for (const [at, n] of [1, 3, 2, 3, 5].entries()) verdict.take(found(n, at + 18));
  const { lost, doubled, reordered } = verdict.finish();
  assert.deepEqual({ lost, doubled, reordered }, { lost: 1, doubled: 1, reordered: 1 });
});

test("Verdict notices an offset that goes back, another offset than was acknowledged, another content, and what nobody sent", async () => {
  const verdict = new Verdict([await sourceOf(3, [1, 2, 3])]);
  verdict.take(found(1, 30));
  verdict.take(found(2, 21));
  verdict.take({ ...found(3, 40), payload: { n: 3, text: "another" } });
  verdict.take(found(4, 50));
  assert.deepEqual(verdict.problems, ["offset 21 comes after 30", "message 2 of load/a was acknowledged at offset 20 and is at 21", "message 3 of load/a has another content", "load/a has a message 4 that it never sent"]);
});
