import { parseArgs } from "node:util";
import type { Effort } from "./scenarios/scenario.ts";
import type { Runtime } from "./targets/busbar.ts";

/** Names of the scenarios. */
export const scenarioNames = ["fan-in", "fan-out", "latency", "idle", "qos1", "routing"] as const;

/** What the command line of `bench/main.ts` asks for. */
export interface Options {
  readonly only: readonly (typeof scenarioNames)[number][];
  readonly rounds: number;
  readonly json: boolean;
  readonly quick: boolean;
  readonly server: Runtime;
  readonly help: boolean;
  readonly effort: Effort;
}

/** What `--help` prints. */
export const usage = `npm run bench -- [options]      measures Busbar against bare Node, Mosquitto and aedes
  --quick            a short run of everything, under a minute: shows that it works, not how fast
  --only <name>      one scenario: ${scenarioNames.join(", ")} (may be given several times)
  --rounds <n>       rounds of which the median is taken, 1-100 (default 3; 1 with --quick)
  --server <name>    what Busbar runs on: node (default), or deno (then compared with Busbar on Node, too)
  --json             one JSON object on standard output
Example: npm run bench -- --only fan-in --rounds 5`;

const full: Effort = { warmupMs: 1000, measureMs: 3000, subscribers: 1000, connections: 10_000, idleMs: 10_000, brief: false };
const brief: Effort = { warmupMs: 200, measureMs: 500, subscribers: 100, connections: 300, idleMs: 1000, brief: true };

/** Reads the command line. @throws Error saying what is wrong with it. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      server: { type: "string", default: "node" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(`Cannot run "${values.rounds}" rounds: it must be a number from 1 to 100`);
  if (values.server !== "node" && values.server !== "deno") throw new Error(`Cannot use server "${values.server}": it must be node or deno`);
  const unknown = values.only.find((name) => !isScenario(name));
  if (unknown !== undefined) throw new Error(`Cannot run "${unknown}": the scenarios are ${scenarioNames.join(", ")}`);
  const only = values.only.filter(isScenario);
  return {
    only: only.length > 0 ? only : scenarioNames,
    rounds,
    json: values.json,
    quick: values.quick,
    server: values.server,
    help: values.help,
    effort: values.quick ? brief : full,
  };
}

function isScenario(name: string): name is (typeof scenarioNames)[number] {
  return (scenarioNames as readonly string[]).includes(name);
}
