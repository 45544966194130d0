import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import auditFile, { readKeyRing, readLog, verifyLog } from "@busbar/audit-file";
import { AuditPort, definePlugin, type Audit } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import * as v from "valibot";
import { smallDisk, withoutSmallDisk } from "./support/small-disk.ts";

test("a disk that is full holds up no message, entries wait and are counted, and with room again the log says how many it lost", { skip: withoutSmallDisk }, async (context) => {
  const disk = smallDisk(context, { mebibytes: 24, taken: 23 });
  let audit: Audit | undefined;
  const writer = definePlugin({ name: "writer", description: "Writes to the audit log", config: v.strictObject({}), needs: { audit: AuditPort }, setup: ({ needs }) => void (audit = needs.audit) });
  const gateway = await testPlugin(auditFile, { syncInterval: 10 }, { cwd: disk.folder, plugins: { writer: [writer, {}] } });
  try {
    let delivered = 0;
    const deliver = async (): Promise<void> => {
      await gateway.bus.deliver({ type: "status", from: "meter", payload: { n: delivered }, qos: 1 });
      delivered++;
    };
    let written = 0;
    const write = (): void => {
      for (let n = 0; n < 200; n++) audit!.write("command", { msgid: `m-${written++}`, from: "app", to: "d-1", reason: "x".repeat(200) });
    };
    await until("the disk takes nothing", async () => {
      write();
      await deliver();
      return gateway.metric("busbar_audit_failing") === 1;
    });
    await until("entries are lost", async () => {
      write();
      await deliver();
      return gateway.metric("busbar_audit_lost_total") > 1000;
    });
    assert.ok(gateway.metric("busbar_audit_waiting") <= 10_000);
    const before = delivered;
    for (let n = 0; n < 100; n++) await deliver();
    assert.equal(delivered, before + 100, "messages flow on");
    disk.free();
    await until("all that waits is written", () => gateway.metric("busbar_audit_failing") === 0 && gateway.metric("busbar_audit_waiting") === 0);
    audit!.write("login", { id: "after" });
  } finally {
    await gateway.stop();
  }
  const lost = gateway.metric("busbar_audit_lost_total");
  const folder = join(disk.folder, "data/audit");
  const verdict = await verifyLog(folder, { ring: await readKeyRing(join(disk.folder, "data/audit.key")), headFile: join(disk.folder, "data/audit.head") });
  assert.deepEqual(verdict.findings, []);
  assert.equal(verdict.lost, lost, "as the log says itself");
  assert.equal(gateway.log.filter(({ message }) => message.startsWith("Cannot write the audit log")).length, 1, "said once");
  const { records } = await readLog(folder, { after: verdict.last!.seq - 10, limit: 100 });
  assert.ok(records.some(({ action, fields }) => action === "login" && fields["id"] === "after"));
});

test("a hundred thousand refusals in a few seconds leave some lines in the log and nothing in memory", async (context) => {
  const cwd = mkdtempSync(join(tmpdir(), "busbar-"));
  context.after(() => rmSync(cwd, { recursive: true, force: true }));
  let audit: Audit | undefined;
  const writer = definePlugin({ name: "writer", description: "Writes to the audit log", config: v.strictObject({}), needs: { audit: AuditPort }, setup: ({ needs }) => void (audit = needs.audit) });
  const gateway = await testPlugin(auditFile, {}, { cwd, plugins: { writer: [writer, {}] } });
  const count = 100_000;
  for (let n = 0; n < count; n++) audit!.write("refused", { id: `d-${n % 20}`, remote: "192.0.2.1", transport: "tcp", code: "FORBIDDEN", reason: `Cannot publish on "status/${n}"` });
  assert.ok(gateway.metric("busbar_audit_waiting") <= 20 * 10 + 2);
  await gateway.stop();
  assert.equal(gateway.metric("busbar_audit_lost_total"), 0);
  const { records } = await readLog(join(cwd, "data/audit"), { limit: 10_000 });
  const refused = records.filter(({ action }) => action === "refused");
  assert.ok(refused.length <= 20 * 11 * 2, "two windows of ten seconds at the most, on a slow machine");
  assert.equal(refused.reduce((sum, { fields }) => sum + Number(fields["count"] ?? 1), 0), count);
});
