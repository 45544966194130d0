import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { listPlugins, loadPlugin } from "./discover.ts";
import type { ConfigHost } from "./host.ts";
import { readPluginPackage } from "./permissions/plugin-manifest.ts";

/** The largest file that is read for a config, in bytes. */
const fileLimit = 16 * 1024 * 1024;

/** The machine itself: its environment, its files, the packages installed on it. */
export const systemConfigHost: ConfigHost = {
  env: (name) => process.env[name],
  resolve: (file, relative) => resolve(dirname(resolve(file)), relative),
  async readText(path) {
    const { size } = await stat(path);
    if (size > fileLimit) throw new RangeError(`it has ${size} bytes, at most ${fileLimit} are read`);
    return await readFile(path, "utf8");
  },
  async importModule(path) {
    const full = resolve(path);
    const version = createHash("sha256").update(await readFile(full)).digest("hex").slice(0, 16); // file times are too coarse to tell two quick edits apart
    return await import(`${pathToFileURL(full).href}?version=${version}`); // another query makes the runtime read a changed file anew
  },
  loadPlugin: (use, file) => loadPlugin(use, dirname(resolve(file))),
  pluginPackage: (use, file) => readPluginPackage(use, dirname(resolve(file))),
  probePlugin: async (request) => await (await import("../kernel/isolate/probe-plugin.ts")).probePlugin(request),
  installed: async (file) => (await listPlugins(dirname(resolve(file)))).map(({ name }) => name),
};
