import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { envelopeJson } from "../../codec/envelope-json.ts";
import { Message } from "../../envelope.ts";
import { canonicalEnvelope } from "./canonical-envelope.ts";
import { canonicalJson } from "./canonical-json.ts";

const { key, vectors } = JSON.parse(readFileSync(new URL("../../../docs/signed-messages.json", import.meta.url), "utf8")) as {
  readonly key: string;
  readonly vectors: readonly { readonly name: string; readonly authenticated: string; readonly frame: string; readonly canonical: string; readonly mac: string }[];
};

for (const { name, authenticated, frame, canonical, mac } of vectors) {
  test(`canonicalEnvelope() agrees with docs/signed-messages.json: ${name}`, () => {
    const bytes = new TextEncoder().encode(frame);
    const message = envelopeJson.create().decode(bytes, 0, bytes.length);
    assert.ok(message instanceof Message);
    const { nonce, signedAt } = message.signature as { readonly nonce: string; readonly signedAt: number | undefined };
    message.from ||= authenticated;
    const text = canonicalEnvelope(message, { nonce, signedAt, payload: canonicalJson(message.payload) });
    assert.equal(text, canonical);
    assert.equal(createHmac("sha256", key).update(text).digest("base64url"), mac);
  });
}

test("canonicalJson() refuses what has no canonical form", () => {
  for (const value of [Number.POSITIVE_INFINITY, Number.NaN, "\ud800", { "\udfff": 1 }, [undefined], { a: () => 1 }, JSON.parse("1e400")]) assert.throws(() => canonicalJson(value), { code: "BAD_FRAME" });
  let deep: unknown = 0;
  for (let level = 0; level < 65; level++) deep = [deep];
  assert.throws(() => canonicalJson(deep), { code: "BAD_FRAME" });
  assert.equal(canonicalJson((deep as unknown[])[0]), "[".repeat(64) + "0" + "]".repeat(64));
});

test("canonicalJson() treats __proto__ and numeric names like any other", () => {
  assert.equal(canonicalJson(JSON.parse('{"b":1,"__proto__":{"x":1},"10":1,"9":2}')), '{"10":1,"9":2,"__proto__":{"x":1},"b":1}');
});
