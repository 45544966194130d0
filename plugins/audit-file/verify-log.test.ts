import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { auditFolder } from "./audit-fixture.ts";
import { readHead } from "./head-file.ts";
import { readKeyRing } from "./key-ring.ts";
import { verifyLog } from "./verify-log.ts";

/** A log of some files. */
async function sample(context: { after(cleanup: () => void): void }) {
  const folder = auditFolder(context);
  for (let run = 0; run < 3; run++) {
    const gateway = await folder.start({ fileSize: 4096 });
    for (let n = 0; n < 15; n++) gateway.audit.write("command", { msgid: `m-${run}-${n}`, from: "app", to: "d-1", topic: "command/d-1" });
    await gateway.stop();
  }
  const files = folder.names().map((name) => ({ path: join(folder.folder, name), bytes: readFileSync(join(folder.folder, name)) }));
  const ring = await readKeyRing(join(folder.cwd, "data/audit.key"));
  const head = await readHead(join(folder.cwd, "data/audit.head"), ring, false);
  assert.ok(typeof head === "object" && files.length > 1);
  const restore = (): void => files.forEach(({ path, bytes }) => writeFileSync(path, bytes));
  // Not folder.verify, which looks twice at a line that is cut off, as it may be one that is being written.
  const found = async (heads = [{ ...head, of: "the note" }]) => (await verifyLog(folder.folder, { ring, heads, patience: 0 })).findings;
  return { files, restore, found, headFile: join(folder.cwd, "data/audit.head"), verify: () => folder.verify() };
}

test("verifyLog() finds the change of a byte of a file", async (context) => {
  const { files, restore, found } = await sample(context);
  assert.deepEqual(await found(), []);
  const { path, bytes } = files.at(-1)!;
  for (let at = 0; at < bytes.length; at += at < bytes.length - 1000 ? 3 : 1) { // core/audit/chain-walk.test.ts tries every byte of every line
    const changed = Buffer.from(bytes);
    changed[at]! ^= at % 2 === 0 ? 1 : 0x80;
    writeFileSync(path, changed);
    assert.ok((await found()).length > 0, `byte ${at}`);
  }
  restore();
  assert.deepEqual(await found(), []);
});

test("verifyLog() finds a cut at any place, a removed file, swapped files, a file said twice", async (context) => {
  const { files, restore, found } = await sample(context);
  const { path, bytes } = files.at(-1)!;
  const ends = [...bytes].flatMap((byte, at) => (byte === 0x0a ? [at, at + 1, at + 2] : [])).filter((at) => at < bytes.length);
  const lastLines = Array.from({ length: 500 }, (_, at) => bytes.length - 1 - at);
  for (const length of [0, 1, ...ends, ...lastLines]) {
    writeFileSync(path, bytes.subarray(0, length));
    assert.ok((await found()).length > 0, `${length} bytes are left`);
  }
  for (const file of files) {
    restore();
    rmSync(file.path);
    assert.ok((await found()).length > 0, file.path);
  }
  restore();
  writeFileSync(files[0]!.path, files[1]!.bytes);
  assert.ok((await found()).length > 0);
  writeFileSync(files[1]!.path, files[0]!.bytes);
  assert.ok((await found()).length > 0);
  restore();
  assert.deepEqual(await found(), []);
});

test("verifyLog() wants the head file that it was told of, and whole", async (context) => {
  const { headFile, verify } = await sample(context);
  const head = readFileSync(headFile, "utf8");
  for (const forged of [head.replace(/"seq":\d+/, '"seq":1'), head.replace(/(?<="mac":").(?=.)/, (first) => (first === "A" ? "B" : "A")), "{}", "", "null", head.slice(0, 20)]) {
    writeFileSync(headFile, forged);
    assert.deepEqual((await verify()).findings.map(({ what }) => what), ["foreign"], forged);
  }
  rmSync(headFile);
  assert.deepEqual((await verify()).findings.map(({ what }) => what), ["truncated"]);
  writeFileSync(headFile, head);
  assert.deepEqual((await verify()).findings, []);
});
