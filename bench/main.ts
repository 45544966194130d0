import { spawnSync } from "node:child_process";
import { planCpus } from "./machine/cpus.ts";
import { parseOptions, usage } from "./options.ts";
import type { Options } from "./options.ts";
import { formatReport, summarize } from "./report.ts";
import type { ScenarioReport, TargetResult } from "./report.ts";
import { fanIn } from "./scenarios/fan-in.ts";
import { fanOut } from "./scenarios/fan-out.ts";
import { idle } from "./scenarios/idle.ts";
import { latency } from "./scenarios/latency.ts";
import { qos1 } from "./scenarios/qos1.ts";
import { routing } from "./scenarios/routing.ts";
import type { Context, Sample, Scenario, Subject } from "./scenarios/scenario.ts";
import { busbar } from "./targets/busbar.ts";

const scenarios = { "fan-in": fanIn, "fan-out": fanOut, latency, idle, qos1, routing } as const;

/** Enough to sit out a short disturbance; more would make a run on a busy machine endless without making it any better. */
const repeatsPerRound = 3;

/** Runs the benchmarks. Returns the exit code: 1 when the subject failed somewhere, whatever the figures are. */
async function main(options: Options): Promise<number> {
  const cpus = planCpus();
  const say = (text: string): void => {
    (options.json ? process.stderr : process.stdout).write(`${text}\n`);
  };
  say(`Busbar bench, commit ${commit()}, ${new Date().toISOString()}, Node ${process.versions.node}, ${options.rounds} round(s)`);
  if (cpus.warning !== undefined) say(`Warning: ${cpus.warning}`);
  const subject: Subject = {
    live: busbar(options.server, "busbar"),
    durable: busbar(options.server, "busbar-durable"),
    reference: options.server === "deno" ? busbar("node", "busbar") : undefined,
  };
  const context: Context = { effort: options.effort, generatorCpu: cpus.generator, serverCpu: cpus.server, halfRate: undefined, repeats: 0, disturbed: [] };
  const reports: ScenarioReport[] = [];
  for (const name of options.only) {
    const report = await runScenario(scenarios[name], subject, { ...context, repeats: options.quick ? 0 : repeatsPerRound * options.rounds, disturbed: [] }, options.rounds);
    reports.push(report);
    // Half a second decides nothing.
    say(`\n${formatReport(options.quick ? { ...report, goals: [] } : report)}`);
  }
  if (options.quick) say("\nA quick run (100 subscribers, 300 connections, half a second each) shows that everything works; its figures mean little.");
  if (options.json) process.stdout.write(`${JSON.stringify({ commit: commit(), date: new Date().toISOString(), node: process.versions.node, rounds: options.rounds, quick: options.quick, reports }, undefined, 2)}\n`);
  return reports.some((report) => report.errors.some((error) => error.startsWith(`${subject.live.name}:`))) ? 1 : 0;
}

/** All rounds of one scenario; in each the targets take turns, beginning with another one. */
async function runScenario(scenario: Scenario, subject: Subject, context: Context, rounds: number): Promise<ScenarioReport> {
  const targets = scenario.targets(subject, context.effort);
  const results = targets.map((target) => ({ name: target.name, samples: new Map<number, Sample>(), errors: new Array<string>() })) satisfies TargetResult[];
  for (const [index, target] of targets.entries()) {
    const missing = target.missing();
    if (missing !== undefined) results[index]?.errors.push(`not here: ${missing}`);
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < targets.length; turn++) {
      const index = (turn + round) % targets.length;
      const [target, result] = [targets[index], results[index]];
      if (target === undefined || result === undefined || target.missing() !== undefined) continue;
      try {
        result.samples.set(round, await scenario.measure(target, context));
      } catch (error) {
        result.errors.push(`round ${round + 1}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return summarize(scenario, results, Math.max(0, ...context.disturbed));
}

function commit(): string {
  const { stdout } = spawnSync("git", ["rev-parse", "--short", "HEAD"], { cwd: import.meta.dirname, encoding: "utf8" });
  return stdout?.trim() || "unknown";
}

if (import.meta.main) {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options.help) process.stdout.write(`${usage}\n`);
    process.exitCode = options.help ? 0 : await main(options);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 64;
  }
}
