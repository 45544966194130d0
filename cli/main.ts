#!/usr/bin/env -S node --max-semi-space-size=8
/**
 * The `busbar` command. This file is all that `busbar --version` loads: each command, and the kernel with it, is imported when it is asked for.
 *
 * @module
 */
import module from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { catalog } from "./catalog.ts";
import { Failure, usageFailure } from "./failure.ts";
import manifest from "./package.json" with { type: "json" };
import { complain, oneLine, print } from "./terminal.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 74)); // `busbar tap | head` ends here

process.exitCode = await main(process.argv.slice(2)).catch(explain);
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
process.exit(); // whatever a library left open must not keep a finished command alive

async function main(words: readonly string[]): Promise<number> {
  const [first, ...rest] = words;
  if (first === "--version" || first === "-v" || first === "version") {
    print(manifest.version);
    return 0;
  }
  if (first === undefined || first === "--help" || first === "-h" || (first === "help" && rest.length === 0)) {
    const { formatOverview } = await import("./help.ts");
    print(formatOverview(manifest.version));
    return first === undefined ? 64 : 0;
  }
  if (first === "help") return await runCommand(rest[0]!, ["--help"]);
  return await runCommand(first, rest);
}

async function runCommand(name: string, words: readonly string[]): Promise<number> {
  if (!Object.hasOwn(catalog, name)) throw await unknownCommand(name);
  // Halves what loading costs, in time and memory; the variable is for worker threads. Absent on Deno, which keeps a cache of its own.
  module.enableCompileCache?.((process.env["NODE_COMPILE_CACHE"] ??= cacheFolder()));
  const { default: command } = await catalog[name]!.load();
  const end = words.indexOf("--");
  if ((end < 0 ? words : words.slice(0, end)).some((word) => word === "--help" || word === "-h")) {
    const { formatCommandHelp } = await import("./help.ts");
    print(formatCommandHelp(name, command));
    return 0;
  }
  const { parseArguments } = await import("./arguments.ts");
  return await command.run(parseArguments(name, command, words));
}

/** Not the shared temporary folder, Node's default: whoever may write there could have us run his code. */
function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "busbar");
}

async function unknownCommand(name: string): Promise<Failure> {
  const { suggest } = await import("@busbar/core");
  const what = name.startsWith("-") ? "option" : "command";
  return usageFailure(`unknown ${what} ${oneLine(name)}; ${suggest(name, Object.keys(catalog), "commands")}`);
}

/** Says on stderr why the command failed; gives the exit code. */
async function explain(error: unknown): Promise<number> {
  if (error instanceof Failure) {
    for (const line of error.lines) complain(line);
    return error.code;
  }
  const { errorText, exitCodeOf } = await import("@busbar/core");
  complain(`busbar: ${oneLine(errorText(error))}`);
  if (process.env["BUSBAR_DEBUG"] && error instanceof Error) complain(String(error.stack));
  return exitCodeOf(error);
}
