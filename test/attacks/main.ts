// `npm run test:attacks`: every attack in its long form, on both runtimes. The last line has the totals.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { denoProgram, nodeProgram } from "../../bench/machine/runtimes.ts";
import { runDenoTests } from "../../scripts/test/deno-tests.ts";
import { runNodeTests } from "../../scripts/test/node-tests.ts";
import type { Outcome } from "../../scripts/test/outcome.ts";

const usage = `npm run test:attacks -- [options]      attacks real gateways, which must stay unharmed
  --only <area>       one file of test/attacks/, such as tokens (may be given several times)
  --runtime <name>    what the gateways and the attackers run on: node, deno or both (default both)
  --short             the form that npm test runs: storms of 500 connections instead of 5,000, 100 slow clients instead of 1,000
Example: npm run test:attacks -- --only storms --runtime node`;

const root = join(import.meta.dirname, "..", "..");
const hour = 3_600_000;

/** The attacks of one file. The check that ends a suite counts when it fails, but is no attack. */
function attacksOf(file: string, { passed, failures }: Outcome): { readonly cases: number; readonly succeeded: number } {
  const suites = readFileSync(join(root, file), "utf8").match(/^attackSuite\(/gm)?.length ?? 0;
  return { cases: passed + failures.length - suites, succeeded: failures.length };
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { only: { type: "string", multiple: true, default: [] }, runtime: { type: "string", default: "both" }, short: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false } } });
  if (values.help) return console.log(usage), 0;
  const areas = readdirSync(import.meta.dirname).flatMap((name) => (name.endsWith(".test.ts") ? [name.slice(0, -".test.ts".length)] : [])).sort();
  const strange = values.only.find((area) => !areas.includes(area));
  if (strange !== undefined) throw new Error(`Cannot run "${strange}": the areas are ${areas.join(", ")}`);
  if (!["node", "deno", "both"].includes(values.runtime)) throw new Error(`Cannot use runtime "${values.runtime}": it must be node, deno or both`);
  if (!values.short) process.env["BUSBAR_ATTACKS"] = "long"; // the tests inherit it
  const totals: string[] = [];
  let failed = 0;
  for (const runtime of values.runtime === "both" ? (["node", "deno"] as const) : [values.runtime as "node" | "deno"]) {
    console.log(`\non ${runtime}`);
    const sums = { cases: 0, succeeded: 0 };
    for (const area of values.only.length > 0 ? values.only : areas) {
      const file = `test/attacks/${area}.test.ts`;
      const begun = performance.now();
      const outcome = runtime === "node" ? await runNodeTests(nodeProgram, [file], { cwd: root, concurrency: 1, timeout: hour, perTest: hour }) : await runDenoTests(denoProgram, [file], { cwd: root, concurrency: 1, perFile: hour });
      const { cases, succeeded } = attacksOf(file, outcome);
      sums.cases += cases;
      sums.succeeded += succeeded;
      console.log(`  ${area.padEnd(24)} ${String(cases).padStart(4)} cases ${((performance.now() - begun) / 1000).toFixed(1).padStart(7)} s`);
      for (const { name, text } of outcome.skips) console.log(`    left out: ${name}: ${text ?? "no reason given"}`);
      for (const { name, text } of outcome.failures) console.log(`    SUCCEEDED: ${name}\n${(text ?? "").split("\n").slice(0, 40).join("\n")}`);
    }
    totals.push(`${sums.cases} cases, ${sums.succeeded} succeeded (${runtime})`);
    failed += sums.succeeded;
  }
  console.log(`\nattacks: ${totals.join(", ")}`);
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 64;
}
