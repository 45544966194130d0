import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";
import { judge, readAnswers, readAuditReport } from "./supply-chain/audit-report.ts";
import { runChild, type Finished } from "./test/child.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const fixture = (name: string): string => join(root, "scripts", "supply-chain", "fixtures", name);
const first = { id: "GHSA-aaaa-bbbb-cccc", package: "whistle", answer: "nobody can give it anything here", until: "2999-12-31" };
const second = { ...first, id: "GHSA-dddd-eeee-ffff" };

/** Runs `npm run audit` over a report with these answers. */
async function audit(report: string, answers: readonly object[]): Promise<Finished> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-audit-"));
  try {
    await writeFile(join(folder, "answers.json"), JSON.stringify(answers));
    const [program, ...args] = commandFor(join("scripts", "audit.ts")) as [string, ...string[]];
    return await runChild(program, [...args, "--report", fixture(report), "--answers", join(folder, "answers.json")], { cwd: root, timeout: 60_000 });
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("npm run audit ends with 1 and names each finding that has no answer, once, whoever brought it", async () => {
  const { code, stdout } = await audit("audit-report.json", [second]);
  assert.equal(code, 1);
  assert.equal(stdout, "unanswered  critical whistle <2.0.0: whistle runs what it is given\n            GHSA-aaaa-bbbb-cccc https://github.com/advisories/GHSA-aaaa-bbbb-cccc\nbusbar: 2 findings, 1 unanswered\n");
});

test("npm run audit ends with 0 when each finding is answered, and names answers without a finding", async () => {
  const { code, stdout } = await audit("audit-report.json", [first, second, { ...first, package: "kettle" }]);
  assert.deepEqual([code, stdout], [0, "stale       kettle: the answer to GHSA-aaaa-bbbb-cccc has no finding any more\nbusbar: 2 findings, 0 unanswered\n"]);
});

test("npm run audit ends with 69, not with 0, when the registry did not answer", async () => {
  const { code, stderr } = await audit("audit-unreachable.json", []);
  assert.deepEqual([code, stderr], [69, "busbar: Cannot read the audit report: 405 Method Not Allowed - POST https://registry.npmjs.org/-/npm/v1/security/advisories/bulk\n"]);
});

test("judge() takes an answer for one through its last day, and for its package only", async () => {
  const findings = readAuditReport(await readFile(fixture("audit-report.json"), "utf8"));
  const unanswered = (answers: Parameters<typeof judge>[1], today: string): string[] => judge(findings, answers, { today }).unanswered.map(({ id }) => id);
  const dated = [{ ...first, until: "2027-01-31" }, second];
  assert.deepEqual([unanswered(dated, "2027-01-31"), unanswered(dated, "2027-02-01"), unanswered([{ ...first, package: "kettle" }, second], "2027-01-01")], [[], [first.id], [first.id]]);
});

test("the answers that are kept can be read, and answers that say nothing cannot", async () => {
  readAnswers(await readFile(join(root, "scripts", "supply-chain", "audit-answers.json"), "utf8"));
  for (const wrong of [{ ...first, answer: "ok" }, { ...first, until: "some day" }, { ...first, id: "1000001" }, { ...first, more: 1 }]) assert.throws(() => readAnswers(JSON.stringify([wrong])), /Cannot read the answers/);
});
