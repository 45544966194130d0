import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { makeCertificate } from "@busbar/core/testkit";
import { credentialsOf } from "./credentials.ts";

/** An upgrade request with these headers on a connection with such a certificate: the parts that are read. */
function request(headers: Readonly<Record<string, string>>, certificate?: object): IncomingMessage {
  const socket = certificate === undefined ? {} : { authorized: true, getPeerCertificate: () => certificate };
  return { headers, socket } as unknown as IncomingMessage;
}

const { cert, fingerprint } = makeCertificate({ name: "plc-101", names: ["plc-101.example", "127.0.0.1"], notAfter: Date.UTC(2040, 0, 1) });
const certificate = { raw: new X509Certificate(cert).raw, fingerprint256: fingerprint, valid_to: "Jan  1 00:00:00 2040 GMT" };
const shown = { kind: "certificate", names: ["plc-101", "plc-101.example"], fingerprint, expires: Date.UTC(2040, 0, 1) };

test("credentialsOf() reads a bearer token, whatever the case of the scheme", () => {
  for (const authorization of ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c"]) assert.deepEqual(credentialsOf(request({ authorization })), { kind: "token", token: "a.b.c" });
});

test("credentialsOf() finds nothing in other headers", () => {
  for (const headers of [{}, { authorization: "Basic YTpi" }, { authorization: "Bearer" }, { authorization: "Bearer " }] as Record<string, string>[]) assert.equal(credentialsOf(request(headers)), undefined);
});

test("credentialsOf() takes a certificate that TLS has verified, and no other", () => {
  assert.deepEqual(credentialsOf(request({}, certificate)), shown);
  const unverified = { headers: {}, socket: { authorized: false, getPeerCertificate: () => certificate } } as unknown as IncomingMessage;
  assert.equal(credentialsOf(unverified), undefined);
  assert.equal(credentialsOf(request({}, {})), undefined);
});

test("credentialsOf() prefers the token", () => {
  assert.deepEqual(credentialsOf(request({ authorization: "Bearer t" }, certificate)), { kind: "token", token: "t" });
});

test("credentialsOf() takes a certificate from a browser only on a page of this very host", () => {
  const host = "panel.example:8080";
  assert.deepEqual(credentialsOf(request({ host, origin: "https://panel.example:8080" }, certificate)), shown);
  for (const origin of ["https://evil.example", "https://panel.example", "null", ""]) assert.equal(credentialsOf(request({ host, origin }, certificate)), undefined, origin);
});
