// `npm run test:faults`: the long form of every scenario, on both runtimes. The last line has the totals.
import process from "node:process";
import { denoProgram, nodeProgram } from "../../bench/machine/runtimes.ts";
import { parseOptions, usage, type Options } from "./options.ts";
import { isGood, type Figures, type Runtime, type Scenario } from "./scenario.ts";

const runtimes: Readonly<Record<"node" | "deno", Runtime>> = {
  node: { name: "node", command: (file) => [nodeProgram, "--max-semi-space-size=8", file] }, // as `npm start` does
  deno: { name: "deno", command: (file) => [denoProgram, "run", "-A", "--no-check", file] },
};

interface Run {
  readonly scenario: string;
  readonly runtime: string;
  readonly seconds: number;
  readonly figures: Figures;
}

/** Runs what the options ask for. Returns the exit code. */
async function main(options: Options): Promise<number> {
  const say = (text: string): void => void (options.json ? process.stderr : process.stdout).write(`${text}\n`);
  say(`seed ${options.seed}`);
  const runs: Run[] = [];
  for (const scenario of options.only) {
    for (const runtime of options.runtimes) {
      const reason = scenario.missing?.();
      if (reason !== undefined) {
        say(`\n${scenario.name} on ${runtime}: left out, ${reason}`);
        continue;
      }
      say(`\n${scenario.name} on ${runtime}: ${scenario.about}`);
      const began = performance.now();
      const figures = await runScenario(scenario, { options, runtime: runtimes[runtime], say });
      runs.push({ scenario: scenario.name, runtime, seconds: (performance.now() - began) / 1000, figures });
      say(formatRun(runs.at(-1)!));
    }
  }
  const sum = (count: (figures: Figures) => number): number => runs.reduce((total, { figures }) => total + count(figures), 0);
  if (options.json) process.stdout.write(`${JSON.stringify({ date: new Date().toISOString(), seed: options.seed, runs }, undefined, 2)}\n`);
  const good = runs.every(({ figures }) => isGood(figures));
  if (!good) say(`\nNot as promised: ${runs.filter(({ figures }) => !isGood(figures)).map(({ scenario, runtime }) => `${scenario} on ${runtime}`).join(", ")}; seed ${options.seed}`);
  const names = new Set(runs.map(({ scenario }) => scenario));
  say(`\nfaults: ${names.size} scenarios, ${sum(({ cycles }) => cycles)} cycles, ${sum(({ sent }) => sent)} messages, ${sum(({ lost }) => lost)} lost, ${sum(({ doubled }) => doubled)} doubled, ${sum(({ reordered }) => reordered)} reordered`);
  return good ? 0 : 1;
}

/** A run that cannot go on is one that is not as promised; the other scenarios run all the same. */
async function runScenario(scenario: Scenario, { options, runtime, say }: { readonly options: Options; readonly runtime: Runtime; readonly say: (text: string) => void }): Promise<Figures> {
  const cycles = options.cycles ?? scenario.cycles.long;
  try {
    return await scenario.run({ cycles, runtime, seed: options.seed, outageMs: options.minutes * 60_000, log: (text) => say(`  ${text}`) });
  } catch (error) {
    return { cycles, sent: 0, acknowledged: 0, found: 0, lost: 0, doubled: 0, reordered: 0, details: {}, problems: [`the run could not go on: ${error instanceof Error ? error.stack : String(error)}`] };
  }
}

function formatRun({ seconds, figures }: Run): string {
  const { cycles, sent, acknowledged, found, lost, doubled, reordered, details, problems } = figures;
  const rows = Object.entries({ cycles, sent, acknowledged, found, lost, doubled, reordered, ...details, seconds: seconds.toFixed(0) });
  return [...rows.map(([name, value]) => `  ${name.padEnd(28)} ${String(value).padStart(12)}`), ...problems.map((text) => `  NOT AS PROMISED: ${text}`)].join("\n");
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(`${usage}\n`);
  process.exitCode = options.help ? 0 : await main(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 64;
}
