import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditQuery, AuditRecord } from "@busbar/core";
import { createFixture, problemIn, type Fixture } from "./app-fixture.ts";

/** What the audit log says on the bus, once it is so much. */
async function audited({ parts }: Fixture, topic: string, count: number): Promise<readonly unknown[]> {
  for (let turn = 0; ; turn++) {
    const { entries } = await parts.store!.messages({ topic, limit: 100 });
    if (entries.length >= count || turn > 1000) return entries.map(({ message }) => message.payload);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const record = (seq: number): AuditRecord => ({ seq, time: 1000 * seq, action: "login", source: "gateway", fields: { id: `d-${seq}` }, prev: "p", hash: `h-${seq}` });

test("GET /api/audit pages through the log of the plugin that keeps it", async () => {
  const asked: AuditQuery[] = [];
  const fixture = await createFixture({ auditLog: { async read(query) {
    asked.push(query);
    return query.after === 2 ? { records: [record(3)] } : { records: [record(1), record(2)], next: 2 };
  } } });
  const first = await (await fixture.call("/api/audit?limit=2&since=5&until=9", { token: "auditor:audit/#" })).json() as { messages: object[]; next: string };
  assert.deepEqual(first.messages[0], { ver: "1.0", msgid: "audit-1", timestamp: 1000, from: "gateway", to: "server", type: "audit", payload: { id: "d-1", action: "login", prev: "p", hash: "h-1" }, qos: 1, retain: false, offset: 1 });
  assert.equal(first.next, "2");
  const second = await (await fixture.call("/api/audit?limit=2&cursor=2", { token: "auditor:audit/#" })).json() as { messages: object[]; next?: string };
  assert.deepEqual([second.messages.length, second.next], [1, undefined]);
  assert.deepEqual(asked, [{ after: 0, since: 5, until: 9, limit: 2 }, { after: 2, since: undefined, until: undefined, limit: 2 }]);
});

test("GET /api/audit wants the right to audit/#, and a cursor that is one", async () => {
  const fixture = await createFixture({ auditLog: { read: async () => ({ records: [] }) } });
  assert.equal((await fixture.call("/api/audit", { token: "app:status/#" })).status, 403);
  assert.equal((await problemIn(await fixture.call("/api/audit?cursor=x", { token: "auditor:audit/#" })))["status"], 400);
});

test("what is refused over HTTP is in the audit log, never the token", async () => {
  const fixture = await createFixture();
  await fixture.call("/api/messages", { token: "forged-secret" });
  await fixture.call("/api/plugins", { token: "app:status/#" });
  const entries = await audited(fixture, "audit/subject", 2);
  assert.deepEqual(entries, [
    { action: "login-failed", transport: "http", remote: "203.0.113.9", code: "UNAUTHENTICATED" },
    { action: "refused", id: "app", transport: "http", remote: "203.0.113.9", code: "FORBIDDEN", method: "GET", path: "/api/plugins", reason: "Cannot read gateway/#: the right is missing" },
  ]);
  assert.doesNotMatch(JSON.stringify(entries), /forged-secret/);
});

test("a command that comes over HTTP is in the audit log with the address it came from", async () => {
  const fixture = await createFixture();
  const { msgid } = (await (await fixture.call("/api/devices/lamp/commands", { token: "app:command/#", body: { payload: { on: true } } })).json()) as { msgid: string };
  assert.deepEqual((await audited(fixture, "audit/gateway", 2)).slice(1), [{ action: "command", msgid, from: "app", to: "lamp", topic: "command/lamp", transport: "http", remote: "203.0.113.9" }]);
});
