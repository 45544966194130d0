import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { readAll } from "@busbar/core/testkit";
import { openStorage } from "./storage.ts";
import { spawnProgram, temporaryFolder } from "./temporary-storage.ts";

test("append() has what it acknowledged after SIGKILL at any moment", async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  let epoch: string | undefined;
  let acknowledged = 0;
  for (let cycle = 0; cycle < 10; cycle++) {
    const size = [1, 3, 40, 700][cycle % 4]!;
    const child = spawnProgram("append-program.ts", [file, String(size)]);
    const killAfter = 1 + Math.floor(Math.random() * 60);
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout! })) {
      const [first, count] = line.split(" ").map(Number) as [number, number];
      acknowledged = first + count - 1;
      if (++lines === killAfter) child.kill("SIGKILL"); // the child is in the midst of what comes next
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    assert.equal(child.signalCode, "SIGKILL", `cycle ${cycle}`);

    const storage = await openStorage({ file });
    try {
      epoch ??= storage.journal.epoch;
      assert.equal(storage.journal.epoch, epoch);
      const { first, last } = storage.journal.bounds();
      assert.equal(first, 1);
      assert.ok(last >= acknowledged, `cycle ${cycle}: acknowledged up to ${acknowledged}, the journal ends at ${last}`);
      const all = await readAll(storage.journal, { after: 0, limit: 10_000 });
      assert.equal(all.length, last);
      assert.equal(new Set(all.map((entry) => entry.message.msgid)).size, last, "nothing is there twice");
      const batches = new Map<string, number>();
      for (const { message } of all) batches.set(message.msgid.slice(0, message.msgid.lastIndexOf("-")), (batches.get(message.msgid.slice(0, message.msgid.lastIndexOf("-"))) ?? 0) + 1);
      for (const count of batches.values()) assert.ok([1, 3, 40, 700].includes(count), `a batch of ${count} is a part of one`);
    } finally {
      await storage.close();
    }
  }
});

test("append() rejects IO when the medium fails, reopens, and what it acknowledged is there", { skip: process.platform === "win32" ? "no ulimit" : false }, async (context) => {
  const file = join(temporaryFolder(context), "busbar.db");
  const child = spawnProgram("append-program.ts", [file, "50"], { limitKiB: 2048 });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) lines.push(line);
  assert.ok(lines.includes("refused IO"), `${lines.slice(-5).join(", ")}`);
  const acknowledged = lines.filter((line) => /^\d/.test(line)).map((line) => line.split(" ").map(Number) as [number, number]);
  assert.ok(acknowledged.length > 20);
  for (let at = 1; at < acknowledged.length; at++) assert.equal(acknowledged[at]![0], acknowledged[at - 1]![0] + 50, "offsets go on where they were");
  const storage = await openStorage({ file });
  try {
    assert.equal(storage.journal.bounds().last, acknowledged.at(-1)![0] + 49);
    assert.equal((await readAll(storage.journal, { after: 0 })).length, acknowledged.length * 50);
  } finally {
    await storage.close();
  }
});
