import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import * as v from "valibot";
import { createMemoryJournal } from "../../memory-journal.ts";
import { definePlugin } from "../../plugin.ts";
import { JournalPort, SignedPort } from "../../ports.ts";
import { fakeClock, openAuthority, testPlugin, type FakeClock, type TestGateway } from "../../testkit/mod.ts";
import type { Journal } from "../../journal.ts";
import { canonicalEnvelope } from "./canonical-envelope.ts";
import { canonicalJson } from "./canonical-json.ts";
import { nonceCursor } from "./nonce-cursor.ts";
import type { SignedSender } from "./signed-sender.ts";

const key = "the key of home-7, of 32 bytes or more";
const principal = { id: "home-7", roles: [], groups: [] };
const window = 300_000;
let count = 0;

interface Fields {
  readonly timestamp: number;
  readonly qos?: 0 | 1;
  readonly nonce?: string;
  readonly signedAt?: number;
}

/** A gateway on a journal of the test's own, and the way in for signed messages. */
async function open(clock: FakeClock, journal: Journal): Promise<{ readonly gateway: TestGateway; readonly signed: SignedSender }> {
  let signed: SignedSender | undefined;
  const plugin = definePlugin({
    name: "store",
    description: "A journal that outlives its gateway",
    config: v.strictObject({}),
    needs: { signed: SignedPort },
    provides: { journal: JournalPort },
    setup({ needs }) {
      signed = needs.signed;
      return { journal };
    },
  });
  const gateway = await testPlugin(plugin, {}, { clock, authority: openAuthority({ messageKeys: { "home-7": [key] } }), gateway: { dedupeWindow: 0 } });
  return { gateway, signed: signed! };
}

/** Sends a message that is signed well: "taken", "known", or the error's code. */
async function send(signed: SignedSender, { timestamp, qos = 1, nonce = `n${++count}`, signedAt }: Fields): Promise<string> {
  const draft = { type: "status", from: "home-7", msgid: `m-${nonce}`, timestamp, qos, payload: 1 } as const;
  const text = canonicalEnvelope({ ver: "1.0", to: "server", retain: false, ...draft }, { nonce, signedAt, payload: canonicalJson(draft.payload) });
  try {
    const receipt = await signed.send(draft, { mode: "require", principal, signature: { mac: createHmac("sha256", key).update(text).digest("base64url"), nonce, signedAt } });
    return receipt!.duplicate ? "known" : "taken";
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
}

test("a signed message is taken up to 300 s before and after the gateway's time, to the millisecond", async () => {
  const clock = fakeClock();
  const { gateway, signed } = await open(clock, createMemoryJournal());
  await using _ = gateway;
  const now = clock.now();
  for (const [time, fate] of [[now - window, "taken"], [now - window - 1, "FORBIDDEN"], [now + window, "taken"], [now + window + 1, "FORBIDDEN"]] as const) {
    assert.equal(await send(signed, { timestamp: time }), fate);
    assert.equal(await send(signed, { timestamp: now - 10 * window, signedAt: time }), fate);
  }
});

test("a nonce is known for as long as its message would be taken, and then forgotten", async () => {
  const clock = fakeClock();
  const { gateway, signed } = await open(clock, createMemoryJournal());
  await using _ = gateway;
  const ahead = { timestamp: clock.now() + window, nonce: "ahead", qos: 0 } as const;
  assert.equal(await send(signed, ahead), "taken");
  await clock.advance(2 * window);
  assert.equal(await send(signed, ahead), "FORBIDDEN");
  assert.equal(gateway.metric('busbar_signed_refused_total{reason="replayed"}'), 1);
  assert.equal(gateway.metric("busbar_signed_nonces"), 1);
  await clock.advance(80_000);
  assert.equal(gateway.metric("busbar_signed_nonces"), 0);
  assert.equal(await send(signed, ahead), "FORBIDDEN");
  assert.equal(gateway.metric('busbar_signed_refused_total{reason="time"}'), 1);
});

test("the next gateway on the same journal knows the nonces of the former: messages that were stored are acknowledged at their place, others refused", async () => {
  const clock = fakeClock();
  const journal = createMemoryJournal();
  const stored = { timestamp: clock.now(), nonce: "stored" };
  const live = { timestamp: clock.now(), nonce: "live", qos: 0 } as const;
  for (let run = 0; run < 3; run++) {
    const { gateway, signed } = await open(clock, journal);
    assert.deepEqual([await send(signed, stored), await send(signed, live)], run === 0 ? ["taken", "taken"] : ["known", "FORBIDDEN"]);
    await clock.advance(40_000);
    assert.notEqual(await journal.cursor(nonceCursor), undefined);
    await gateway.stop();
  }
});

test("a message and the note about its nonce are in one batch of the journal", async () => {
  const clock = fakeClock();
  const memory = createMemoryJournal();
  const batches: string[][] = [];
  const journal: Journal = Object.assign(Object.create(memory), { bounds: () => memory.bounds(), read: (query: never) => memory.read(query), retained: () => memory.retained(), cursor: (name: string) => memory.cursor(name), cursors: () => memory.cursors(), moveCursor: (name: string, offset: number) => memory.moveCursor(name, offset), dropCursor: (name: string) => memory.dropCursor(name), append: (batch: Parameters<Journal["append"]>[0]) => {
    batches.push(batch.map(({ type }) => type));
    return memory.append(batch);
  } }) as Journal;
  const { gateway, signed } = await open(clock, journal);
  await using _ = gateway;
  const fates = await Promise.all(Array.from({ length: 2500 }, () => send(signed, { timestamp: clock.now() })));
  assert.deepEqual([...new Set(fates)], ["taken"]);
  const withStatus = batches.filter((types) => types.includes("status"));
  assert.ok(withStatus.length >= 3);
  for (const types of withStatus) assert.equal(types.at(-1), "nonce-seen");
  assert.equal(gateway.metric("busbar_ledger_imbalance"), 0);
});

test("the cursor that keeps the notes follows when they are not needed any more", async () => {
  const clock = fakeClock();
  const journal = createMemoryJournal();
  const { gateway, signed } = await open(clock, journal);
  await using _ = gateway;
  assert.equal(await journal.cursor(nonceCursor), undefined);
  assert.equal(await send(signed, { timestamp: clock.now() }), "taken");
  const note = journal.bounds().last;
  await clock.advance(31_000);
  assert.equal(await journal.cursor(nonceCursor), note - 1);
  await gateway.bus.deliver({ type: "status", from: "plc", payload: 1 });
  await clock.advance(window + 120_000);
  assert.equal(await journal.cursor(nonceCursor), journal.bounds().last);
});

test("a message whose sender may not publish uses up no nonce", async () => {
  const clock = fakeClock();
  const { gateway, signed } = await open(clock, createMemoryJournal());
  await using _ = gateway;
  const draft = { type: "audit", from: "home-7", msgid: "m", timestamp: clock.now(), qos: 1, payload: 1 } as const;
  const text = canonicalEnvelope({ ver: "1.0", to: "server", retain: false, ...draft }, { nonce: "n", payload: "1" });
  await assert.rejects(async () => signed.send(draft, { mode: "require", principal, signature: { mac: createHmac("sha256", key).update(text).digest("base64url"), nonce: "n", signedAt: undefined } }), { code: "FORBIDDEN", message: /only the gateway itself/ });
  assert.equal(gateway.metric("busbar_signed_nonces"), 0);
});
