import process from "node:process";
import { createKernel, createStderrLog, loadConfig, runKernel } from "@busbar/core";
import { defineCommand } from "../command.ts";
import { findConfig, readConfig } from "../config-file.ts";
import manifest from "../package.json" with { type: "json" };
import { formatAddresses, formatAddressesJson } from "../addresses.ts";
import { formatReload } from "../reload-text.ts";
import { print } from "../terminal.ts";

/** `busbar start`: the gateway itself. */
export default defineCommand({
  description: "Runs the gateway that a config describes, until SIGTERM or SIGINT. Nothing is started when the config is wrong: every problem is listed instead, as by busbar check. SIGHUP, or busbar reload, reads the config and the certificates again and restarts the plugins whose section changed.",
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
    const kernel = createKernel({ config: first, log, cwd: process.cwd(), readConfig: () => loadConfig(file) });
    return await runKernel(kernel, {
      log,
      async reload() {
        const report = await kernel.gateway.reload();
        if (report.state === "done") print(`reloaded ${file}: ${formatReload(report)}`); // else the log says why not
      },
      started() {
        const plugins = kernel.gateway.plugins();
        const seconds = (performance.now() / 1000).toFixed(2); // since the process started, on both runtimes
        print(options.json ? formatAddressesJson(plugins) : `busbar ${manifest.version} runs ${file}, ready after ${seconds} s\n\n${formatAddresses(plugins)}\n`);
      },
    });
  },
});
