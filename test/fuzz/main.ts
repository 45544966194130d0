// `npm run test:fuzz`: every parser under fire. The last line has the totals.
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { denoProgram, nodeProgram } from "../../bench/machine/runtimes.ts";
import { runChild } from "../../scripts/test/child.ts";
import { keepInput, readCorpus } from "./corpus.ts";
import { fuzzWatched } from "./engine/watched-fuzz.ts";
import { targets } from "./targets.ts";

const usage = `npm run test:fuzz -- [options]
  --minutes n      minutes for all parsers together, on each runtime (10)
  --executions n   inputs per parser at the most (no limit)
  --only a,b       parsers (all): ${targets.map(({ name }) => name).join(", ")}
  --runtime r      node, deno or both (both)
  --seed n         the inputs that are drawn (a random one, which is printed)
  --keep           puts inputs of up to 200 bytes that bring a new outcome into test/fuzz/corpus, 20 per parser at the most`;

/** Kept inputs of a parser at the most, and bytes of each. */
const [mostKept, longestKept] = [20, 200];

try {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, executions: { type: "string", default: "1e15" }, only: { type: "string" }, runtime: { type: "string", default: "both" }, seed: { type: "string" }, keep: { type: "boolean" }, help: { type: "boolean" }, here: { type: "boolean" } } });
  const only = values.only?.split(",") ?? targets.map(({ name }) => name);
  const unknown = only.filter((name) => !targets.some((target) => target.name === name));
  if (unknown.length > 0 || !["node", "deno", "both"].includes(values.runtime)) throw new RangeError(unknown.length > 0 ? `No parser is called ${unknown.join(", ")}` : `--runtime must be node, deno or both, not ${values.runtime}`);
  const task = { minutes: number("minutes", values.minutes), executions: number("executions", values.executions), only, seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : number("seed", values.seed), keep: values.keep === true };
  if (values.help) console.log(usage);
  else if (values.here) process.exitCode = await fuzzAll(task);
  else process.exitCode = await onEach(values.runtime === "both" ? ["node", "deno"] : [values.runtime as "node" | "deno"], process.argv.slice(2), task.seed);
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 64;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`--${name} must be a number above 0, not ${text}`);
  return value;
}

/** Runs this file with `--here` on each runtime; they share the machine. */
async function onEach(runtimes: readonly ("node" | "deno")[], words: readonly string[], seed: number): Promise<number> {
  let code = 0;
  for (const runtime of runtimes) {
    console.log(`\n${runtime}, seed ${seed}`);
    const [program, ...args] = runtime === "node" ? [nodeProgram, "--expose-gc"] : [denoProgram, "run", "-A", "--no-check", "--v8-flags=--expose-gc"];
    const child = await runChild(program!, [...args, new URL(import.meta.url).pathname, "--here", ...words, "--seed", String(seed)], { cwd: process.cwd(), timeout: 24 * 3_600_000 });
    process.stdout.write(child.stdout + child.stderr);
    code ||= child.code ?? 1;
  }
  return code;
}

interface Task {
  readonly minutes: number;
  readonly executions: number;
  readonly only: readonly string[];
  readonly seed: number;
  readonly keep: boolean;
}

/** As many parsers at once as the machine has cores. Returns the exit code. */
async function fuzzAll({ minutes, executions, only, seed, keep }: Task): Promise<number> {
  const waiting = [...only];
  const lanes = Math.min(availableParallelism(), only.length);
  const time = (minutes * 60_000 * lanes) / only.length;
  let [total, findings] = [0, 0];
  const lane = async (): Promise<void> => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const begun = performance.now();
      const outcome = await fuzzWatched({ target, seed, executions, time, corpus: readCorpus(target) });
      const seconds = (performance.now() - begun) / 1000;
      total += outcome.executions;
      console.log(`${target.padEnd(20)} ${String(outcome.executions).padStart(11)} inputs ${String(Math.round(outcome.executions / seconds)).padStart(8)}/s ${String(outcome.outcomes).padStart(6)} outcomes`);
      if (keep) for (const input of outcome.discovered.filter(({ length }) => length <= longestKept).slice(0, mostKept - readCorpus(target).length)) keepInput(target, input);
      if (outcome.finding === undefined) continue;
      findings++;
      console.log(`  FINDING  ${outcome.finding.kind}, kept as ${keepInput(target, outcome.finding.input, { finding: true })}\n${outcome.finding.text.replace(/^/gm, "           ")}`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  console.log(`fuzz: ${only.length} parsers, ${total} inputs, ${findings} findings, seed ${seed}`);
  return findings === 0 ? 0 : 1;
}
