import process from "node:process";
import { createKernel, createStderrLog, diffConfig, formatProblem, loadConfig, runKernel, type CheckedConfig, type Kernel, type Log } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { findConfig, readConfig } from "../config-file.ts";
import manifest from "../package.json" with { type: "json" };
import { formatAddresses, formatAddressesJson } from "../addresses.ts";
import { print } from "../terminal.ts";

/** `busbar start`: the gateway itself. */
export default defineCommand({
  description: "Runs the gateway that a config describes, until SIGTERM or SIGINT. Nothing is started when the config is wrong: every problem is listed instead, as by busbar check. SIGHUP reads the config again and restarts the plugins whose section changed.",
  positionals: ["config?"],
  options: { json: { kind: "flag", text: "print what listens where as one line of JSON" } },
  examples: [
    ["busbar start", "run ./busbar.yaml (or .yml, .json, .ts)"],
    ["busbar start examples/default/busbar.yaml", "run another config"],
  ],
  async run({ positionals, options }) {
    const file = await findConfig(positionals[0]);
    const first = await readConfig(file);
    const log = createStderrLog(first.gateway.log.level);
    const kernel = createKernel({ config: first, log, cwd: process.cwd() });
    const reload = createReload({ file, kernel, log, running: first });
    return await runKernel(kernel, {
      log,
      reload,
      started() {
        const plugins = kernel.gateway.plugins();
        const seconds = (performance.now() / 1000).toFixed(2); // since the process started, on both runtimes
        print(options.json ? formatAddressesJson(plugins) : `busbar ${manifest.version} runs ${file}, ready after ${seconds} s\n\n${formatAddresses(plugins)}\n`);
      },
    });
  },
});

/** Gives what SIGHUP does: reads the config again, and hands it to the kernel when nothing is wrong with it. */
function createReload(options: { readonly file: string; readonly kernel: Kernel; readonly log: Log; running: CheckedConfig }): () => Promise<void> {
  const { file, kernel, log } = options;
  return async () => {
    const { config, problems } = await loadConfig(file);
    if (config === undefined) {
      for (const problem of problems) log.error(`config problem: ${formatProblem(problem)}`);
      return log.error("reload refused, everything runs on as before", { file, problems: problems.length });
    }
    const { routes, gateway } = diffConfig(options.running, config);
    const { added, removed, changed } = await kernel.reload(config);
    options.running = config;
    const parts = [
      ...listed("added", added),
      ...listed("removed", removed),
      ...listed("restarted", changed),
      ...(routes ? ["routes changed"] : []),
      ...(gateway ? ["gateway settings take effect at the next start"] : []),
    ];
    print(`reloaded ${file}: ${parts.length === 0 ? "nothing changed" : parts.join("; ")}`);
  };
}

const listed = (what: string, ids: readonly string[]): readonly string[] => (ids.length === 0 ? [] : [`${what} ${ids.join(", ")}`]);
