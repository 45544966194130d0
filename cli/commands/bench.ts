import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { Failure } from "../failure.ts";

const program = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

/** `busbar bench`: runs the benchmarks of a checkout. */
export default defineCommand({
  description: "Runs the benchmarks against the peers that are installed and prints the ratios. They are part of a checkout, not of the published command.",
  positionals: [],
  options: {
    quick: { kind: "flag", text: "a short run, to see that everything works" },
    only: { kind: "text", value: "scenario", many: true, text: "one scenario, such as fan-in; may be given several times" },
    rounds: { kind: "number", value: "n", min: 1, max: 100, whole: true, text: "rounds of which the median is taken" },
    server: { kind: "choice", of: ["node", "deno"], text: "what Busbar runs on", fallback: "node" },
    json: { kind: "flag", text: "print the figures as JSON" },
  },
  examples: [["busbar bench --quick --only fan-in", "a short run of one scenario"]],
  async run({ options }) {
    if (!existsSync(program)) throw new Failure(69, ["busbar: the benchmarks are not installed: run this in a checkout of Busbar"]);
    const words = [
      ...(options.quick ? ["--quick"] : []),
      ...(options.json ? ["--json"] : []),
      ...options.only.flatMap((name) => ["--only", name]),
      ...(options.rounds === undefined ? [] : ["--rounds", String(options.rounds)]),
      ...["--server", options.server],
    ];
    const [runtime, ...args] = commandFor(program);
    const child = spawn(runtime, [...args, ...words], { stdio: "inherit" });
    const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + constants.signals[signal!];
  },
});
