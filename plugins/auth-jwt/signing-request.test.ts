import assert from "node:assert/strict";
import { KeyObject } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { readSigningRequest } from "./signing-request.ts";
import { makeRequest } from "./testing/make-request.ts";

test("readSigningRequest() gives the key of a request whose maker has it", async () => {
  assert.equal((await readSigningRequest((await makeRequest("home-7/lamp")).csr, "home-7/lamp")).asymmetricKeyType, "ec");
  assert.equal((await readSigningRequest((await makeRequest("home-7", { rsa: 2048 })).csr, "home-7")).asymmetricKeyType, "rsa");
  assert.equal((await readSigningRequest((await makeRequest("home-7", { greedy: true })).csr, "home-7")).asymmetricKeyType, "ec");
});

test("readSigningRequest() refuses another's name, a weak key and a broken proof", async () => {
  await assert.rejects(readSigningRequest((await makeRequest("home-70")).csr, "home-7"), /CN is not the id/);
  await assert.rejects(readSigningRequest((await makeRequest("home-7", { rsa: 1024 })).csr, "home-7"), /1024 bits/);
  await assert.rejects(readSigningRequest((await makeRequest("home-7", { broken: true })).csr, "home-7"), /signature is not that of its key/);
});

test("readSigningRequest() answers anything with a RangeError", async () => {
  const { csr } = await makeRequest("home-7");
  const body = csr.split("\n").slice(1, -1).join("");
  const wrap = (text: string): string => `-----BEGIN CERTIFICATE REQUEST-----\n${text}\n-----END CERTIFICATE REQUEST-----\n`;
  for (const text of ["", "hello", wrap(""), wrap("AAAA"), csr + csr, wrap(body.slice(0, 40)), "x".repeat(20_000)]) await assert.rejects(readSigningRequest(text, "home-7"), RangeError);
  const right = await readSigningRequest(csr, "home-7");
  const bytes = Buffer.from(body, "base64");
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const spoilt = Uint8Array.from(bytes);
      spoilt[at]! ^= flip;
      const outcome = await readSigningRequest(wrap(Buffer.from(spoilt).toString("base64")), "home-7").catch((error: unknown) => error);
      // A length around all of it may be written wrongly without any effect: what is signed, and the key, are then the same.
      assert.ok(outcome instanceof RangeError || (outcome instanceof KeyObject && outcome.equals(right)), String(outcome));
    }),
    { numRuns: 100 },
  );
});
