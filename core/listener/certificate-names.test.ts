import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { makeCertificate, type CertificateSpec } from "../testkit/make-certificate.ts";
import { certificateNames } from "./certificate-names.ts";

const rawOf = (spec: CertificateSpec): Uint8Array => new X509Certificate(makeCertificate(spec).cert).raw;

test("certificateNames() gives the CN and then the DNS names", () => {
  assert.deepEqual(certificateNames(rawOf({ name: "plc-101", names: ["plc.example", "10.0.0.1", "*.hall_2.example"] })), ["plc-101", "plc.example", "*.hall_2.example"]);
  assert.deepEqual(certificateNames(rawOf({ name: "Kühlung", names: [] })), ["Kühlung"]);
  assert.deepEqual(certificateNames(rawOf({ name: "", names: Array.from({ length: 100 }, (_, at) => `n${at}.example`) })).length, 101);
});

test("certificateNames() makes one DNS name into no other", () => {
  for (const trick of ["x, DNS:admin", "admin\0.evil.example", "admin, ", "x\nDNS:admin", '"admin', "DNS:admin", "admin\\", "ädmin", "", " admin"]) {
    assert.deepEqual(certificateNames(rawOf({ name: "x", names: [trick, "right.example"] })), ["x", "right.example"], JSON.stringify(trick));
  }
});

test("certificateNames() takes a CN for what it is, whatever stands in it", () => {
  for (const name of ["x, CN=admin", "x\nCN=admin", "x/CN=admin", "admin\0.evil.example"]) assert.deepEqual(certificateNames(rawOf({ name, names: [] })), [name]);
});

test("certificateNames() refuses bytes that are no certificate, cut off anywhere or changed", () => {
  const raw = rawOf({ name: "plc-101", names: ["plc.example"] });
  for (let length = 0; length < raw.length; length++) assert.throws(() => certificateNames(raw.slice(0, length)), RangeError, `cut after ${length}`);
  for (let at = 0; at < raw.length; at++) {
    const changed = raw.slice();
    changed[at]! ^= 0xff;
    try {
      for (const name of certificateNames(changed)) assert.equal(typeof name, "string");
    } catch (error) {
      assert.ok(error instanceof RangeError, `changed at ${at}: ${String(error)}`);
    }
  }
});
