import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import type { Credentials } from "@busbar/core";
import { makeCertificate } from "@busbar/core/testkit";
import { createFixture, patternAuthority } from "./app-fixture.ts";

test("renewCredential takes a client certificate from its device, not from a browser that another site's page has ask", async () => {
  const shown: Credentials[] = [];
  const { fetch } = await createFixture({
    config: { cors: { origins: ["https://other.example"] } },
    authority: { ...patternAuthority, renew: async (credentials) => (shown.push(credentials), { id: "lamp", secret: "new" }) },
  });
  const { raw, fingerprint256 } = new X509Certificate(makeCertificate({ name: "lamp" }).cert);
  const socket = { remoteAddress: "203.0.113.9", authorized: true, getPeerCertificate: () => ({ raw, fingerprint256, valid_to: "Jan  1 00:00:00 2040 GMT" }) };
  const renew = async (headers: Record<string, string>): Promise<number> => {
    const request = new Request("http://127.0.0.1:8080/api/enrol/renew", { method: "POST", headers: { host: "127.0.0.1:8080", "content-type": "application/json", ...headers }, body: "{}" });
    return (await fetch(request, { incoming: { socket } })).status;
  };
  assert.equal(await renew({}), 201);
  assert.equal(await renew({ origin: "http://127.0.0.1:8080", "sec-fetch-site": "same-origin" }), 201);
  for (const headers of [{ origin: "https://other.example" }, { origin: "https://other.example", "sec-fetch-site": "cross-site" }]) assert.equal(await renew(headers), 422, JSON.stringify(headers));
  assert.equal(shown.length, 2);
});
