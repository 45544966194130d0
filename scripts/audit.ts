// `npm run audit`: asks the registry for advisories about what is locked, and ends with 1 when one of them has no answer in scripts/supply-chain/audit-answers.json.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { judge, readAnswers, readAuditReport } from "./supply-chain/audit-report.ts";
import { npmProgram } from "./supply-chain/npm-program.ts";
import { runChild } from "./test/child.ts";

const usage = `npm run audit [-- --report <file>] [--answers <file>]
  --report   judge what \`npm audit --json\` printed elsewhere instead of asking the registry
  --answers  default scripts/supply-chain/audit-answers.json
  --help     print this
Ends with 0: nothing is unanswered; 1: something is; 69: the registry could not be asked. Example: npm run audit`;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({ options: { report: { type: "string" }, answers: { type: "string" }, help: { type: "boolean" } } });
process.exitCode = values.help ? (console.log(usage), 0) : await main();

async function main(): Promise<number> {
  const answers = readAnswers(readFileSync(values.answers ?? join(root, "scripts", "supply-chain", "audit-answers.json"), "utf8"));
  const printed = values.report === undefined ? (await runChild(npmProgram, ["audit", "--json"], { cwd: root, timeout: 120_000 })).stdout : readFileSync(values.report, "utf8");
  let findings;
  try {
    findings = readAuditReport(printed);
  } catch (error) {
    console.error(`busbar: ${(error as Error).message}`);
    return 69;
  }
  const { unanswered, stale } = judge(findings, answers, { today: new Date().toISOString().slice(0, 10) });
  for (const { id, package: name, severity, title, url, range } of unanswered) console.log(`unanswered  ${severity.padEnd(8)} ${name} ${range}: ${title}\n            ${id} ${url}`);
  for (const { id, package: name } of stale) console.log(`stale       ${name}: the answer to ${id} has no finding any more`);
  console.log(`busbar: ${findings.length} findings, ${unanswered.length} unanswered`);
  return unanswered.length === 0 ? 0 : 1;
}
