import { parseArgs } from "node:util";
import { scenarios } from "./scenarios.ts";
import type { Scenario } from "./scenario.ts";

/** What the command line asks for. */
export interface Options {
  readonly only: readonly Scenario[];
  /** Instead of what each scenario does in the long form. */
  readonly cycles: number | undefined;
  readonly runtimes: readonly ("node" | "deno")[];
  readonly seed: number;
  readonly minutes: number;
  readonly json: boolean;
  readonly help: boolean;
}

/** What `--help` prints. */
export const usage = `npm run test:faults -- [options]      breaks real gateways and checks that nothing acknowledged is lost, doubled or reordered
  --only <name>       one scenario (may be given several times): ${scenarios.map(({ name }) => name).join(", ")}
  --cycles <n>        how often each fault happens, 1-1000000 (default: as each scenario says)
  --runtime <name>    what the gateways run on: node, deno or both (default both)
  --minutes <n>       how long an outage lasts, 0.05-1440 (default 60)
  --seed <n>          repeats the moments of an earlier run (default: drawn, and printed)
  --json              one JSON object on standard output as well
Example: npm run test:faults -- --only kill-server --cycles 1000 --runtime node`;

/** Reads the command line. @throws {Error} saying what is wrong with it. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", multiple: true, default: [] },
      cycles: { type: "string" },
      runtime: { type: "string", default: "both" },
      minutes: { type: "string", default: "60" },
      seed: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const only = values.only.map((name) => {
    const scenario = scenarios.find((one) => one.name === name);
    if (scenario === undefined) throw new Error(`Cannot run "${name}": the scenarios are ${scenarios.map((one) => one.name).join(", ")}`);
    return scenario;
  });
  if (!["node", "deno", "both"].includes(values.runtime)) throw new Error(`Cannot use runtime "${values.runtime}": it must be node, deno or both`);
  return {
    only: only.length > 0 ? only : scenarios,
    cycles: values.cycles === undefined ? undefined : number("cycles", values.cycles, { low: 1, high: 1_000_000, whole: true }),
    runtimes: values.runtime === "both" ? ["node", "deno"] : [values.runtime as "node" | "deno"],
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : number("seed", values.seed, { low: 0, high: 2 ** 32 - 1, whole: true }),
    minutes: number("minutes", values.minutes, { low: 0.05, high: 1440, whole: false }),
    json: values.json,
    help: values.help,
  };
}

function number(name: string, text: string, { low, high, whole }: { readonly low: number; readonly high: number; readonly whole: boolean }): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= low && value <= high) || (whole && !Number.isInteger(value))) throw new Error(`Cannot use --${name} "${text}": it must be a ${whole ? "whole " : ""}number from ${low} to ${high}`);
  return value;
}
