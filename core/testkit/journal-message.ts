import assert from "node:assert/strict";
import { completeMessage, createMessage, type Draft, type Envelope } from "../envelope.ts";
import type { Entry, Journal } from "../journal.ts";

let minted = 0;

/** Makes a complete message as the bus would hand it to a journal. */
export function journalMessage(draft: Partial<Draft> = {}, received: number = 1_750_000_000_500): Envelope {
  const message = createMessage({ type: "status", payload: null, ...draft });
  completeMessage(message, { from: "plc-1", now: received, mint: () => "m-" + ++minted });
  return message;
}

/** Every entry after `after`, page by page, each page checked against the contract. */
export async function readAll(journal: Journal, query: { readonly after: number; readonly limit?: number; readonly pattern?: string | readonly string[] }): Promise<Entry[]> {
  const all: Entry[] = [];
  let after = query.after;
  for (;;) {
    const page = await journal.read({ ...query, after, limit: query.limit ?? 1000 });
    assert.ok(page.entries.length <= (query.limit ?? 1000), "a page is never longer than its limit");
    let before = after;
    for (const entry of page.entries) {
      assert.ok(entry.offset > before, "offsets of a page increase");
      before = entry.offset;
    }
    assert.ok(page.until >= before, "until covers the page");
    all.push(...page.entries);
    if (page.until >= journal.bounds().last) return all;
    assert.ok(page.until > after, "a page that is not the last one gets on");
    after = page.until;
  }
}

/** Compares all that an envelope says. */
export function sameMessage(actual: Envelope, expected: Envelope): void {
  const plain = ({ ver, msgid, timestamp, from, to, type, qos, retain, topic, received, expires, replace, payload }: Envelope): unknown => ({ ver, msgid, timestamp, from, to, type, qos, retain, topic, received, expires, replace, payload: payload instanceof Uint8Array ? { bytes: [...payload] } : payload });
  assert.deepEqual(plain(actual), plain(expected));
}
