import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import process from "node:process";
import { fakeClock, until } from "@busbar/core/testkit";
import { auditFolder } from "./audit-fixture.ts";
import { plainRing, rotateKey } from "./key-ring.ts";
import { verifyLog } from "./verify-log.ts";

const actions = (records: readonly { readonly action: string }[]): string[] => records.map(({ action }) => action);

test("audit-file chains what everybody writes, from started to stopped, and goes on after a restart", async (context) => {
  const folder = auditFolder(context);
  for (const run of [1, 2]) {
    const gateway = await folder.start();
    gateway.audit.write("login", { id: `d-${run}`, password: "hunter2", reason: "line\nbreak" });
    await gateway.stop();
  }
  const records = await folder.records();
  assert.deepEqual(actions(records), ["audit-file", "started", "login", "stopped", "started", "login", "stopped"]);
  assert.deepEqual(records[2]!.fields, { id: "d-1", password: "[left out]", reason: "line\nbreak" });
  assert.equal(records[2]!.source, "writer");
  assert.deepEqual(folder.names(), ["audit-000000000000001.jsonl"]);
  const { findings, entries, last, keyed } = await folder.verify();
  assert.deepEqual([findings, entries, last!.seq, keyed], [[], 7, 7, true]);
  if (process.platform !== "win32") for (const file of ["audit.key", "audit.head", `audit/${folder.names()[0]}`]) assert.equal(statSync(join(folder.cwd, "data", file)).mode & 0o077, 0, file);
});

test("audit-file gives pages of the log, by number and time", async (context) => {
  const folder = auditFolder(context);
  await using gateway = await folder.start({ fileSize: 4096 });
  for (let n = 0; n < 100; n++) {
    gateway.audit.write("command", { msgid: `m-${n}` });
    if (n % 20 === 19) await until("they are on the disk", () => gateway.metric("busbar_audit_seq") >= n + 3);
  }
  await until("all entries are in the files", async () => (await folder.records()).filter(({ action }) => action === "command").length === 100);
  const pages: string[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: { readonly records: readonly { readonly action: string; readonly fields: Readonly<Record<string, unknown>> }[]; readonly next?: number } = await gateway.auditLog.read({ after, limit: 7 });
    pages.push(...page.records.filter(({ action }) => action === "command").map(({ fields }) => String(fields["msgid"])));
    after = page.next;
  }
  assert.deepEqual(pages, Array.from({ length: 100 }, (_, n) => `m-${n}`));
  assert.ok(folder.names().length > 2);
  assert.deepEqual((await gateway.auditLog.read({ since: Date.now() + 60_000, limit: 10 })).records, []);
  assert.equal((await gateway.auditLog.read({ until: Date.now() + 60_000, limit: 10 })).records.length, 10);
});

test("audit-file rotates by size and age, removes whole files by both, and verify tells that from a gap", async (context) => {
  const folder = auditFolder(context);
  const clock = fakeClock();
  const gateway = await folder.start({ fileSize: 4096, maxSize: 16_384, fileAge: "1h", keep: "3h", keyFile: false, syncInterval: "1m" }, { clock });
  const settle = (holds: () => boolean): Promise<boolean> => until("the log has come so far", async () => {
    await clock.advance(60_000);
    return holds();
  });
  for (let n = 1; n <= 15; n++) {
    for (let m = 0; m < 20; m++) gateway.audit.write("command", { msgid: `m-${n}-${m}`, from: "app", to: "d-1" });
    await settle(() => gateway.metric("busbar_audit_seq") >= n * 20);
  }
  const firstSeq = (): number => Number(folder.names()[0]!.slice(6, 21));
  await settle(() => firstSeq() > 1);
  const plain = () => verifyLog(folder.folder, { ring: plainRing, headFile: join(folder.cwd, "data/audit.head") });
  assert.deepEqual((await plain()).findings, []);
  const gone = firstSeq();
  for (const hour of [1, 2, 3, 4, 5]) {
    gateway.audit.write("command", { msgid: `hour ${hour}` });
    await settle(() => gateway.metric("busbar_audit_waiting") === 0);
    await clock.advance(3_600_000);
  }
  await settle(() => firstSeq() > gone && folder.names().length <= 5);
  await gateway.stop();
  assert.deepEqual((await plain()).findings, []);
  const removed = (await folder.records()).filter(({ action }) => action === "audit-removed");
  assert.equal(removed.at(-1)!.fields["reason"], "age");
  rmSync(join(folder.folder, folder.names()[0]!));
  assert.deepEqual((await plain()).findings.map(({ what }) => what), ["missing"]);
});

test("audit-file cuts a torn last line at the start, says so in the log, and verify has nothing against it", async (context) => {
  const folder = auditFolder(context);
  await (await folder.start()).stop();
  appendFileSync(join(folder.folder, folder.names()[0]!), '{"seq":4,"time":17');
  assert.deepEqual((await folder.verify()).findings.map(({ what, line }) => [what, line]), [["torn", 4]]);
  await (await folder.start()).stop();
  assert.deepEqual((await folder.verify()).findings, []);
  assert.deepEqual(actions(await folder.records()), ["audit-file", "started", "stopped", "audit-damaged", "started", "stopped"]);
});

for (const [what, spoil, expected] of [
  ["an entry at its end is edited", (file: string) => writeFileSync(file, readFileSync(file, "utf8").replace('"action":"stopped"', '"action":"started"')), "edited"],
  ["its end is cut off", (file: string) => truncateSync(file, readFileSync(file, "utf8").indexOf('{"seq":3')), "truncated"],
  ["a forged line is appended", (file: string) => appendFileSync(file, readFileSync(file, "utf8").split("\n")[1] + "\n"), "reordered"],
  ["all of it is overwritten", (file: string) => writeFileSync(file, "nothing\n"), "foreign"],
  ["its file is empty", (file: string) => truncateSync(file, 0), "truncated"],
  ["its file is gone", (file: string) => rmSync(file), "truncated"],
] as const) {
  test(`audit-file starts although ${what} while it does not run, goes on, and the log tells on it for ever`, async (context) => {
    const folder = auditFolder(context);
    await (await folder.start()).stop();
    spoil(join(folder.folder, folder.names()[0]!));
    await (await folder.start()).stop();
    const { findings } = await folder.verify();
    assert.ok(findings.length > 0);
    assert.ok(findings.some((one) => one.what === expected), JSON.stringify(findings));
    assert.ok(actions(await folder.records().catch(() => [])).includes("audit-damaged") || folder.names().length > 1);
    assert.equal(actions(await folder.records()).at(-1), "stopped");
  });
}

for (const [what, spoil] of [
  ["appends to", (file: string) => appendFileSync(file, '{"seq":99}\n')],
  ["cuts", (file: string) => truncateSync(file, 10)],
  ["removes", (file: string) => rmSync(file)],
] as const) {
  test(`audit-file goes on in a new file when somebody ${what} its file while it runs, and verify finds it`, async (context) => {
    const folder = auditFolder(context);
    const gateway = await folder.start();
    await until("the start is on the disk", () => gateway.metric("busbar_audit_seq") === 2);
    spoil(join(folder.folder, folder.names()[0]!));
    gateway.audit.write("login", { id: "after" });
    await gateway.stop();
    assert.ok((await folder.verify()).findings.length > 0);
    const records = (await Promise.all(folder.names().map((name) => folder.text(name)))).join("");
    assert.match(records, /"action":"login".*"id":"after"/);
    assert.match(records, /"action":"audit-damaged"/);
    assert.ok(gateway.log.some(({ message }) => message === "The audit log was tampered with"));
  });
}

test("audit-file takes a new key while it runs and at a start, and verify needs both", async (context) => {
  const folder = auditFolder(context);
  const keyFile = join(folder.cwd, "data/audit.key");
  await (await folder.start()).stop();
  await rotateKey(keyFile);
  const clock = fakeClock();
  const gateway = await folder.start({}, { clock });
  gateway.audit.write("login", { id: "second key" });
  const keyEntries = async () => (await folder.records()).filter(({ action }) => action === "audit-key").length;
  await until("the key has changed", async () => (await clock.advance(100), (await keyEntries()) === 1));
  await rotateKey(keyFile);
  await until("the key has changed again", async () => (await clock.advance(1000), (await keyEntries()) === 2));
  gateway.audit.write("login", { id: "third key" });
  await gateway.stop();
  assert.deepEqual((await folder.verify()).findings, []);
  const [newest] = readFileSync(keyFile, "utf8").split("\n");
  writeFileSync(keyFile, newest + "\n");
  assert.equal((await folder.verify()).findings[0]?.what, "foreign");
});

test("audit-file goes on when its key was lost, and verify says that nobody vouches for what was before", async (context) => {
  const folder = auditFolder(context);
  await (await folder.start()).stop();
  rmSync(join(folder.cwd, "data/audit.key"));
  await (await folder.start()).stop();
  assert.ok((await folder.verify()).findings.some(({ what }) => what === "foreign"));
});

test("audit-file without a key is plain SHA-256, which a key can follow", async (context) => {
  const folder = auditFolder(context);
  await (await folder.start({ keyFile: false })).stop();
  assert.ok(!existsSync(join(folder.cwd, "data/audit.key")));
  await (await folder.start()).stop();
  assert.deepEqual((await folder.verify()).findings, []);
  assert.deepEqual(actions(await folder.records()).filter((one) => one === "audit-key"), ["audit-key"]);
});

test("audit-file says the head on the bus now and then", async (context) => {
  const folder = auditFolder(context);
  const clock = fakeClock();
  await using gateway = await folder.start({}, { clock });
  const heads: unknown[] = [];
  gateway.bus.subscribe("audit/subject", ({ payload }) => void heads.push(payload));
  await until("the head is said", async () => (await clock.advance(1000), heads.length > 0));
  const [{ seq, hash }] = heads as [{ seq: number; hash: string }];
  assert.equal((await folder.records()).find((one) => one.seq === seq)!.hash, hash);
  const before = heads.length;
  await clock.advance(300_000);
  assert.equal(heads.length, before, "nothing new, nothing said");
});

test("audit-file refuses a key that others can read", { skip: process.platform === "win32" && "files have no mode" }, async (context) => {
  const folder = auditFolder(context);
  await (await folder.start()).stop();
  const { chmodSync } = await import("node:fs");
  chmodSync(join(folder.cwd, "data/audit.key"), 0o644);
  await assert.rejects(folder.start(), /others have access to it, mode 0644; chmod 600 it/);
});

test("nobody but the log itself can write what the log says about itself", async (context) => {
  const folder = auditFolder(context);
  const gateway = await folder.start();
  for (const action of ["audit-key", "audit-removed", "audit-damaged", "lost", "No Such", "x".repeat(33)]) assert.throws(() => gateway.audit.write(action, {}), TypeError);
  await gateway.stop();
  assert.deepEqual(actions(await folder.records()), ["audit-file", "started", "stopped"]);
});
