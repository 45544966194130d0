import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";
import { auditFolder } from "./audit-fixture.ts";

const program = fileURLToPath(new URL("kill-program.ts", import.meta.url));

/** Six in `npm test`; `BUSBAR_ATTACKS=long` for the long form. */
const cycles = process.env["BUSBAR_ATTACKS"] === "long" ? 100 : 6;

test("the chain is whole after SIGKILL under load, again and again, and has all that had been synced", async (context) => {
  const folder = auditFolder(context);
  let torn = 0;
  let entries = 0;
  for (let cycle = 0; cycle < cycles; cycle++) {
    const [runtime, ...words] = commandFor(program);
    const child = spawn(runtime, [...words, folder.cwd], { stdio: ["ignore", "pipe", "inherit"] });
    const killAfter = 1 + Math.floor(Math.random() * 8);
    let synced = 0;
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout! })) {
      synced = Number(line);
      if (++lines === killAfter) process.kill(child.pid!, "SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    assert.ok(synced > 0, `cycle ${cycle}: it ended by itself, ${child.exitCode}`);
    const { findings, last } = await folder.verify();
    assert.deepEqual(findings.filter(({ what }) => what !== "torn"), [], `cycle ${cycle}`);
    assert.ok(last!.seq >= synced, `cycle ${cycle}: ${synced} were on the disk, the log ends at ${last!.seq}`);
    torn += findings.length;
    entries = last!.seq;
  }
  await (await folder.start()).stop();
  assert.deepEqual((await folder.verify()).findings, []);
  context.diagnostic(JSON.stringify({ entries, torn }));
});
