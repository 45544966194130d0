import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import * as v from "valibot";
import { envelopeJson } from "../../codec/envelope-json.ts";
import { BusbarError } from "../../errors.ts";
import { definePlugin } from "../../plugin.ts";
import { SessionsPort } from "../../ports.ts";
import { createPeer, openAuthority, PeerDriver, testPlugin } from "../../testkit/mod.ts";
import { refusingJournal } from "../../testkit/refusing-journal.ts";
import { until } from "../../testkit/until.ts";
import type { Session, Sessions } from "../sessions.ts";
import { canonicalEnvelope } from "./canonical-envelope.ts";

const key = "the key of home-7, of 32 bytes or more";

function signed(msgid: string, qos: 0 | 1): Uint8Array {
  const fields = { ver: "1.0", msgid, timestamp: Date.now(), from: "home-7", to: "server", type: "status", qos, retain: false } as const;
  const mac = createHmac("sha256", key).update(canonicalEnvelope(fields, { nonce: msgid, payload: "1" })).digest("base64url");
  return new TextEncoder().encode(JSON.stringify({ ...fields, payload: 1, nonce: msgid, mac }));
}

test("signed messages that a full journal refuses may come again with the same nonce, and one of qos 0 holds up nothing behind it", async () => {
  const disk = refusingJournal();
  let sessions: Sessions | undefined;
  const listener = definePlugin({ name: "memory", description: "Sessions in memory", config: v.strictObject({}), needs: { sessions: SessionsPort }, setup: ({ needs }) => void (sessions = needs.sessions) });
  await using gateway = await testPlugin(listener, {}, { plugins: { disk: [disk.plugin, {}] }, authority: openAuthority({ messageKeys: { "home-7": [key] } }) });
  const seen: string[] = [];
  gateway.bus.subscribe("status/#", ({ msgid }) => void seen.push(msgid));
  let session: Session | undefined;
  const peer = createPeer({ sendBytes: (bytes) => session!.receive(bytes, 0, bytes.length), destroy: () => session!.ended() });
  session = sessions!.open({ kind: "memory", remote: "here", send: (bytes) => peer.arrived(bytes.slice()), buffered: () => 0, pause() {}, resume() {}, close: (code) => peer.ended(code) }, { codec: envelopeJson.create(), principal: { id: "home-7", roles: [], groups: [] }, limits: { signed: "require" } });
  const driver = new PeerDriver(peer, envelopeJson);
  const [live, stored] = [signed("live", 0), signed("stored", 1)];

  disk.refuseWith = new BusbarError("OVERLOAD", "Cannot store: the disk is full");
  driver.sendBytes(live);
  assert.deepEqual(await driver.next().then(({ type, code }) => [type, code]), ["error", "OVERLOAD"]);
  assert.equal(gateway.metric("busbar_signed_nonces"), 0);
  disk.refuseWith = undefined;
  await until("the journal takes messages again", () => gateway.metric("busbar_journal_refusing") === 0);
  driver.sendBytes(stored);
  assert.deepEqual(await driver.next().then(({ type, msgid }) => [type, msgid]), ["ack", "stored"]);
  driver.sendBytes(live);
  await until("both have come", () => seen.length === 2);
  assert.deepEqual(seen, ["stored", "live"]);
  assert.equal(gateway.metric("busbar_ledger_imbalance"), 0);
});
