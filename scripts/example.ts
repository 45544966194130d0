/**
 * `npm run example <name>`: runs every config of examples/<name>, each in a gateway of its own, on the runtime that runs this. Ctrl-C ends them all.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { globSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { commandFor } from "@busbar/core";

const root = join(import.meta.dirname, "..");
const [name = "", ...more] = process.argv.slice(2);
const configs = /^[\w-]+$/.test(name) && more.length === 0 ? globSync(`examples/${name}/*.yaml`, { cwd: root }).sort() : [];
if (configs.length === 0) {
  const names = readdirSync(join(root, "examples"), { withFileTypes: true }).filter((entry) => entry.isDirectory() && globSync("*.yaml", { cwd: join(root, "examples", entry.name) }).length > 0);
  process.stderr.write(`example: say which one: ${names.map((entry) => entry.name).sort().join(", ")}\n`);
  process.exit(64);
}

const [runtime, ...words] = commandFor(join(root, "cli/main.ts"));
const gateways = configs.map((config) => {
  const child = spawn(runtime, [...words, "start", config], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const label = configs.length === 1 ? "" : `${basename(config, ".yaml")} | `;
  for (const stream of ["stdout", "stderr"] as const) createInterface({ input: child[stream] }).on("line", (line) => process[stream].write(`${label}${line}\n`));
  return child;
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => gateways.forEach((child) => child.kill("SIGTERM")));
const codes = await Promise.all(
  gateways.map((child) => new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      gateways.forEach((other) => other.kill("SIGTERM")); // one alone is not the example
      resolve(code ?? 70);
    });
  })),
);
process.exit(Math.max(...codes));
