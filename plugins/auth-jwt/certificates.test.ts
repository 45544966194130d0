import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { createCertificates, type CertificateNames } from "./certificates.ts";
import { configSchema } from "./config-schema.ts";
import type { Identity } from "./identity.ts";

const certificates = (config: unknown) => {
  const made = createCertificates(v.parse(configSchema, config));
  return (shown: CertificateNames): Identity => {
    const { voucher, ...identity } = made.find(shown);
    assert.ok(made.counts(voucher!));
    return identity;
  };
};
const fingerprint = "AA:BB";
const refused = { reason: "certificate", code: "UNAUTHENTICATED" };

test("createCertificates() takes the entry of the first name that has one", () => {
  const find = certificates({ certificates: { "plc.example.org": { id: "plc-101", roles: ["device"], groups: ["hall"] }, other: { id: "other" } } });
  assert.deepEqual(find({ names: ["unknown", "plc.example.org", "other"], fingerprint }), { id: "plc-101", roles: ["device"], groups: ["hall"], credential: fingerprint });
  assert.deepEqual(find({ names: ["other"], fingerprint }), { id: "other", roles: [], groups: [], credential: fingerprint });
});

test("createCertificates() refuses a certificate that no rule names", () => {
  const find = certificates({ certificates: { a: { id: "a" } } });
  for (const names of [["b"], [], ["A"], ["constructor"], ["__proto__"]]) assert.throws(() => find({ names, fingerprint }), refused);
});

test("createCertificates() takes the CN as the id where the config says so", () => {
  const find = certificates({ certificateId: "cn", certificateRoles: ["device"], certificates: { special: { id: "boss" } } });
  assert.deepEqual(find({ names: ["home-7", "x.example.org"], fingerprint }), { id: "home-7", roles: ["device"], credential: fingerprint });
  assert.equal(find({ names: ["special"], fingerprint }).id, "boss");
  for (const cn of ["server", "all", "group/a", "+", "home-7/#", "a b", "", "*.example.org"]) assert.throws(() => find({ names: [cn], fingerprint }), refused, cn);
  assert.throws(() => find({ names: [], fingerprint }), refused);
});

test("Certificates.counts() ends with the rule that let somebody in", () => {
  const made = (config: unknown) => createCertificates(v.parse(configSchema, config));
  const rule = { certificates: { plc: { id: "plc-101" } } };
  const named = made(rule).find({ names: ["plc"], fingerprint }).voucher!;
  const byCn = made({ certificateId: "cn" }).find({ names: ["plc"], fingerprint }).voucher!;
  assert.deepEqual([rule, { certificates: { plc: { id: "plc-102" } } }, { certificateId: "cn" }, {}].map((config) => made(config).counts(named)), [true, false, false, false]);
  assert.deepEqual([rule, { certificateId: "cn" }].map((config) => made(config).counts(byCn)), [false, true]);
});
