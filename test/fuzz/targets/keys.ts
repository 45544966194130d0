import assert from "node:assert/strict";
import { BusbarError } from "@busbar/core";
import { ClientError } from "@busbar/client";
import { createSealingKey, Opener, publicKeyOf, sealPayload } from "@busbar/client/sealing";
import { readKeySet } from "../../../plugins/auth-jwt/key-set-document.ts";
import { readSigningRequest } from "../../../plugins/auth-jwt/signing-request.ts";
import { makeRequest } from "../../../plugins/auth-jwt/testing/make-request.ts";
import { bytesOf, type FuzzTarget } from "../engine/fuzz-target.ts";
import { shape } from "./codecs.ts";
import { textTarget } from "./texts.ts";

const key = await createSealingKey({ kid: "reader" });
const other = await createSealingKey({ crv: "P-256", kid: "other" });
const binding = { from: "a", to: "server", type: "status", msgid: "m", timestamp: 5 };
const opener = new Opener([key]);
const payload = { t: 1 };
const recipients = [publicKeyOf(key)];
const sealedJson = JSON.stringify(await sealPayload(payload, { binding, recipients }));
const sealedForTwo = JSON.stringify(await sealPayload(payload, { binding, recipients: [publicKeyOf(other), publicKeyOf(key)] }));
const sealedBytes = (await sealPayload(bytesOf("secret"), { binding, recipients })) as Uint8Array;

/** What opens is what was sealed, whatever was done to it on its way. */
async function open(sealed: unknown, wanted: unknown): Promise<string> {
  try {
    assert.deepEqual(await opener.open(sealed, binding), wanted);
    return "opened";
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== "SEALED") throw error;
    return shape(error.message);
  }
}

const sealedTexts = textTarget("sealed-json", "a sealed payload in JSON, which anybody on its way may have altered", {
  seeds: [sealedJson, sealedForTwo],
  words: ['"protected":"', '"recipients":[', '"header":{', '"alg":"dir"', '"zip":"DEF"', '"p2c":1000000000', '"epk":{', '"kid":"reader"', "ECDH-ES+A256KW", "A256GCM"],
  run: async (text) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return "no JSON";
    }
    return typeof value === "object" && value !== null && "$sealed" in value ? await open(value, payload) : "not sealed";
  },
});

const sealedBinary: FuzzTarget = {
  name: "sealed-bytes",
  about: "a sealed payload of bytes, which anybody on its way may have altered",
  seeds: [sealedBytes],
  open: () => (bytes) => open(bytes, bytesOf("secret")),
};

const keySets = textTarget("key-set", "what the address of a key set answers", {
  seeds: [JSON.stringify({ keys: [{ kty: "EC", crv: "P-256", x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", kid: "a", use: "sig" }, { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", alg: "EdDSA" }, { kty: "oct", k: "AAAA" }] })],
  words: ['"kty":"RSA"', '"n":"', '"e":"AQAB"', '"d":"', '"use":"enc"', '"key_ops":["sign"]', '"alg":"HS256"', '{"keys":['],
  async run(text) {
    try {
      const { keys, left } = await readKeySet(text, { algorithms: ["RS256", "ES256", "EdDSA"] } as never, "set");
      for (const one of keys) assert.notEqual((one.key as { readonly type?: string }).type, "secret", "no symmetric key of a set counts");
      return `${keys.length} keys, ${shape(left[0] ?? "")}`;
    } catch (error) {
      if (!(error instanceof BusbarError) || error.code !== "DAMAGED") throw error;
      return shape(error.message);
    }
  },
});

const { csr } = await makeRequest("home-7");

const signingRequests = textTarget("signing-request", "the signing request of a device that enrols", {
  seeds: [csr],
  words: ["-----BEGIN CERTIFICATE REQUEST-----\n", "-----END CERTIFICATE REQUEST-----", "MII", "AAAA", "\n"],
  async run(text) {
    try {
      await readSigningRequest(text, "home-7");
      return "request";
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return shape(error.message);
    }
  },
});

/** What says who somebody is, and what only a reader may open. */
export const keyTargets: readonly FuzzTarget[] = [sealedTexts, sealedBinary, keySets, signingRequests];
