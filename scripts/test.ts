// `npm test`: the types, every test on Node and on Deno, and the benchmarks once in short. The last line has the totals.
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runChild } from "./test/child.ts";
import { indent, printFailure } from "./test/failure-text.ts";
import { runDenoTests } from "./test/deno-tests.ts";
import { runNodeTests } from "./test/node-tests.ts";
import type { Outcome } from "./test/outcome.ts";
import { secondTry } from "./test/second-try.ts";

const usage = `npm test -- [options] [part of a path …]
  --node     only on Node
  --deno     only on Deno
  --help     print this
Without options and paths the types are checked and the benchmarks run once in short, too. Example: npm test -- --node core/topic`;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const minutes = 60_000;
/** Test files at a time: one more than the two processors that are counted on, as many tests wait for a socket, a timer or a disk. */
const atOnce = 3;

const { values, positionals } = parseArgs({ options: { node: { type: "boolean" }, deno: { type: "boolean" }, help: { type: "boolean" } }, allowPositionals: true });
process.exitCode = values.help ? (console.log(usage), 0) : await main();

async function main(): Promise<number> {
  const files = testFiles().filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)));
  if (files.length === 0) {
    console.error(`No test file has ${positionals.map((part) => `"${part}"`).join(" or ")} in its path`);
    return 64;
  }
  const [onNode, onDeno] = values.node || values.deno ? [values.node, values.deno] : [true, true];
  const everything = positionals.length === 0 && onNode && onDeno;
  const node = nodeProgram();
  const outcomes: Outcome[] = [];
  const part = async (name: string, work: () => Promise<Outcome>): Promise<void> => {
    const begun = performance.now();
    const outcome = await work();
    outcomes.push(outcome);
    show(name, outcome, (performance.now() - begun) / 1000);
  };

  if (everything) await part("types", () => runOne("types", node, [join("node_modules", "typescript", "bin", "tsc")]));
  if (everything) await part("page", () => runOne("types of the console page", node, [join("node_modules", "typescript", "bin", "tsc"), "-p", join("plugins", "http", "console")]));
  if (onNode) {
    const run = (some: readonly string[], concurrency: number): Promise<Outcome> => runNodeTests(node, some, { cwd: root, timeout: 14 * minutes, concurrency });
    await part("node", async () => secondTry(await run(files, atOnce), (some) => run(some, 1)));
  }
  if (onDeno) {
    const deno = await denoProgram(node);
    const run = (some: readonly string[], concurrency: number): Promise<Outcome> => runDenoTests(deno, some, { cwd: root, concurrency });
    await part("deno", async () => withReasons(await secondTry(await run(files, atOnce), (some) => run(some, 1)), outcomes));
  }
  if (everything && existsSync(join(root, "bench", "main.ts"))) await part("bench", () => runOne("bench --quick", node, [join("bench", "main.ts"), "--quick"]));

  const failed = sum(outcomes.map(({ failures }) => failures.length));
  const unsteady = sum(outcomes.map((one) => one.unsteady?.length ?? 0));
  console.log(`\nbusbar: ${sum(outcomes.map(({ passed }) => passed))} passed, ${failed} failed, ${sum(outcomes.map(({ skips }) => skips.length))} skipped${unsteady > 0 ? `, ${unsteady} of the passed only when tried again` : ""}`);
  return failed === 0 ? 0 : 1;
}

/** A program that counts as one test. */
async function runOne(name: string, program: string, args: readonly string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await runChild(program, args, { cwd: root, timeout: 4 * minutes });
  if (code === 0) return { passed: 1, failures: [], skips: [] };
  return { passed: 0, failures: [{ name, text: `ended with ${code}\n${stdout}${stderr}` }], skips: [] };
}

function show(name: string, { passed, failures, skips, unsteady = [] }: Outcome, seconds: number): void {
  const parts = [`${passed} ok`, ...(unsteady.length > 0 ? [`${unsteady.length} unsteady`] : []), ...(failures.length > 0 ? [`${failures.length} not ok`] : []), ...(skips.length > 0 ? [`${skips.length} left out`] : [])];
  console.log(`${name.padEnd(6)} ${parts.join(", ").padEnd(34)} ${seconds.toFixed(1).padStart(6)} s`);
  for (const { name: test, text } of skips) console.log(`  skipped  ${test}: ${text ?? "no reason given"}`);
  for (const { name: test, text } of unsteady) console.log(`  UNSTEADY ${test}: it failed, and passed when its file was run again, alone\n${indent(printFailure(text ?? "no error given"), " ".repeat(11))}`);
  for (const { name: test, text } of failures) console.log(`  FAILED   ${test}\n${indent(printFailure(text ?? "no error given"), " ".repeat(11))}`);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** Deno does not report why a test is skipped; the same test on Node did. */
function withReasons(outcome: Outcome, before: readonly Outcome[]): Outcome {
  const known = new Map(before.flatMap(({ skips }) => skips).map(({ name, text }) => [name, text]));
  return { ...outcome, skips: outcome.skips.map(({ name, text }) => ({ name, text: text ?? known.get(name) })) };
}

/** Every test file, relative to the root, in order. */
function testFiles(): readonly string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && entry.name !== "node_modules" && !entry.name.startsWith(".")) visit(path);
      else if (entry.isFile() && entry.name.endsWith(".test.ts")) found.push(relative(root, path));
    }
  };
  visit(root);
  return found.sort();
}

/** The Node that the lockfile brings; where it has none for this system, that of the PATH. */
function nodeProgram(): string {
  const own = join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
  return existsSync(own) ? own : "node";
}

/** The Deno that the lockfile brings. It is an npm package that unpacks its program when it is first run. */
async function denoProgram(node: string): Promise<string> {
  const folder = join(root, "node_modules", "deno");
  const program = join(folder, process.platform === "win32" ? "deno.exe" : "deno");
  if (!existsSync(program)) await runChild(node, [join(folder, "bin.cjs"), "--version"], { cwd: root, timeout: minutes });
  return program;
}
