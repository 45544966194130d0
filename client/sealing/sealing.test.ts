import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary, toBinary, create } from "@bufbuild/protobuf";
import { SealedSchema } from "@busbar/core/proto/gen/busbar/v1/sealed_pb.ts";
import { generalDecrypt, type GeneralJWE, type JWK } from "jose";
import { isSealed, sealedMark, type SealingKey } from "../sealed.ts";
import { createSealingKey, publicKeyOf } from "./create-key.ts";
import type { Jwe } from "./jwe.ts";
import { Opener } from "./open.ts";
import { sealPayload } from "./seal.ts";
import { decodeSealed, encodeSealed } from "./sealed-bytes.ts";

const binding = { from: "home-7", to: "server", type: "status", msgid: "m-1", timestamp: 1_700_000_000_000 };
const secret = { temperature: 36.6, name: "Zoë" };
const jweOf = (sealed: unknown): Jwe => (sealed as { readonly $sealed: Jwe }).$sealed;

for (const crv of ["X25519", "P-256"] as const) {
  test(`a payload that is sealed with ${crv} opens with the private key, as JSON and as bytes`, async () => {
    const key = await createSealingKey({ crv });
    const opener = new Opener([key]);
    for (const payload of [secret, null, "text", [1, 2], new Uint8Array([0, 1, 255]), new Uint8Array(0)]) {
      for (const form of ["json", "binary", undefined] as const) {
        const sealed = await sealPayload(payload, { binding, recipients: [publicKeyOf(key)], ...(form && { form }) });
        assert.equal(sealed instanceof Uint8Array, form === "binary" || (form === undefined && payload instanceof Uint8Array));
        assert.ok(isSealed(sealed));
        assert.deepEqual(await opener.open(sealed, binding), payload);
      }
    }
  });
}

test("each of several readers opens it, with an old or a new key, and nobody else", async () => {
  const [one, two, old, stranger] = await Promise.all([createSealingKey({ kid: "one" }), createSealingKey({ crv: "P-256" }), createSealingKey({ kid: "old" }), createSealingKey()]);
  const sealed = await sealPayload(secret, { binding, recipients: [one, two, old].map(publicKeyOf) });
  for (const keys of [[one], [two], [stranger, old]]) assert.deepEqual(await new Opener(keys).open(sealed, binding), secret);
  await assert.rejects(new Opener([stranger]).open(sealed, binding), { code: "SEALED", message: new RegExp(`it is for one, ${two.kid}, old, and the keys here are ${stranger.kid}`) });
  await assert.rejects(new Opener([{ ...stranger, kid: "one" }]).open(sealed, binding), { code: "SEALED" });
  await assert.rejects(new Opener([publicKeyOf(one)]).open(sealed, binding), { code: "SEALED", message: /public key/ });
});

test("the JSON form is a JWE that another library opens", async () => {
  const key = await createSealingKey();
  const sealed = jweOf(await sealPayload(secret, { binding, recipients: [publicKeyOf(key)] }));
  const { plaintext, additionalAuthenticatedData } = await generalDecrypt(sealed as unknown as GeneralJWE, key as JWK);
  assert.equal(Buffer.from(plaintext).toString(), JSON.stringify(secret));
  assert.equal(Buffer.from(additionalAuthenticatedData!).toString(), '{"from":"home-7","msgid":"m-1","timestamp":1700000000000,"to":"server","type":"status"}');
});

test("the binary form is busbar.v1.Sealed behind its mark, with the parts of the JSON form", async () => {
  const keys = await Promise.all([createSealingKey(), createSealingKey({ crv: "P-256" })]);
  const { aad: _, ...jwe } = jweOf(await sealPayload(new Uint8Array(70_000).fill(7), { binding, recipients: keys.map(publicKeyOf), form: "json" }));
  const bytes = encodeSealed(jwe);
  assert.deepEqual(bytes.subarray(0, 8), sealedMark);
  const message = fromBinary(SealedSchema, bytes.subarray(8));
  assert.equal(Buffer.from(message.ciphertext).toString("base64url"), jwe.ciphertext);
  assert.deepEqual(message.recipients.map(({ header }) => JSON.parse(Buffer.from(header).toString()) as unknown), jwe.recipients.map(({ header }) => header));
  assert.deepEqual(toBinary(SealedSchema, create(SealedSchema, message)), new Uint8Array(bytes.subarray(8)));
  assert.deepEqual(decodeSealed(bytes), jwe);
  assert.ok(bytes.length < 70_000 + 700);
});

test("what is no sealed payload of bytes is refused, wherever it is cut or spoilt", async () => {
  const key = await createSealingKey();
  const opener = new Opener([key]);
  const bytes = (await sealPayload(new Uint8Array([1]), { binding, recipients: [publicKeyOf(key)] })) as Uint8Array;
  for (let end = sealedMark.length + 1; end < bytes.length; end++) await assert.rejects(opener.open(bytes.slice(0, end), binding), { code: "SEALED" });
  for (let at = sealedMark.length; at < bytes.length; at++) {
    const spoilt = bytes.slice();
    spoilt[at]! ^= 1;
    await assert.rejects(opener.open(spoilt, binding), { code: "SEALED" }, String(at));
  }
});

test("sealPayload() refuses private keys, keys of other kinds, nobody and too many", async () => {
  const key = await createSealingKey();
  const seal = (recipients: readonly SealingKey[]) => sealPayload(secret, { binding, recipients });
  await assert.rejects(seal([key]), TypeError);
  await assert.rejects(seal([{ kty: "oct" }]), TypeError);
  await assert.rejects(seal([{ kty: "RSA" }]), TypeError);
  await assert.rejects(seal([]), RangeError);
  await assert.rejects(seal(Array<SealingKey>(101).fill(publicKeyOf(key))), RangeError);
});

test("isSealed() takes nothing else for sealed", () => {
  for (const payload of [undefined, null, 1, "x", [], {}, { $sealed: {}, more: 1 }, new Uint8Array(0), new Uint8Array(8), sealedMark]) assert.equal(isSealed(payload), false);
});
