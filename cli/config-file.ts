import { stat } from "node:fs/promises";
import { formatProblem, loadConfig, type CheckedConfig } from "@busbar/core";
import { Failure } from "./failure.ts";

const defaults = ["busbar.yaml", "busbar.yml", "busbar.json", "busbar.ts"];

/** The config file that is meant: the one named, else the first of busbar.yaml, .yml, .json, .ts in the working directory. @throws {Failure} 78 when there is none. */
export async function findConfig(given: string | undefined): Promise<string> {
  const found = given ?? (await defaultConfig());
  if (found !== undefined) return found;
  throw new Failure(78, [`busbar: no config is named, and there is no ${defaults.join(", ")} here`]);
}

/** The default config file, or undefined when there is none. */
export async function defaultConfig(): Promise<string | undefined> {
  for (const name of defaults) if (await stat(name).then((found) => found.isFile(), () => false)) return name;
  return undefined;
}

/** Reads and checks a config. @throws {Failure} 78 with every problem, a line each, as `busbar check` prints them. */
export async function readConfig(file: string): Promise<CheckedConfig> {
  const { config, problems } = await loadConfig(file);
  if (config === undefined) throw new Failure(78, problems.map(formatProblem));
  return config;
}
