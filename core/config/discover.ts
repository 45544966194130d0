import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BusbarError } from "../errors.ts";
import type { AnyPlugin } from "../plugin.ts";
import { ancestors, entryFile, exportFile, isFile, namesIn, readManifest, type Manifest } from "./package-entry.ts";
import { parseManifest, type PermissionManifest } from "./permissions/manifest.ts";
import { pluginFault } from "./plugin-fault.ts";

/** A plugin that is installed, as its package.json describes it. */
export interface InstalledPlugin {
  /** What a config says in `use`: the short name of @busbar/<name> and busbar-plugin-<name>, else the package's; `<package>/<plugin>` for a further plugin of a package. */
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly description: string;
  /** The range of plugin API versions it is made for; empty when it does not say. */
  readonly api: string;
  /** The runtimes it runs on, such as "node", "deno"; empty when it does not say. */
  readonly runtimes: readonly string[];
  /** What it may touch; undefined when its package.json says that wrongly. */
  readonly permissions: PermissionManifest | undefined;
  /** The package's folder. */
  readonly folder: string;
}

/** Where core itself stands: what is installed beside it is found from any config. */
const ownFolder = dirname(fileURLToPath(import.meta.url));

/** The node_modules folders that a lookup from `folder` goes through, nearest first, those of core last. */
function searchPath(folder: string): readonly string[] {
  return [...new Set([...ancestors(resolve(folder)), ...ancestors(ownFolder)])].map((at) => join(at, "node_modules"));
}

/** The packages that `use` may mean, in order, none when it is no name of a package, and which plugin of the package: "." is its own, else a name among its `busbar.plugins`. */
function parseUse(use: string): { readonly packages: readonly string[]; readonly plugin: string } {
  const [, name, plugin] = /^((?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*)(?:\/([a-z0-9~-][\w~-]*))?$/.exec(use) ?? [];
  const packages = name === undefined ? [] : name.startsWith("@") ? [name] : [`@busbar/${name}`, `busbar-plugin-${name}`, name];
  return { packages, plugin: plugin === undefined ? "." : `./${plugin}` };
}

/**
 * Loads the plugin that a config in `folder` calls `use`: a path (`./x.ts`, relative to `folder`), else a package `@busbar/<use>`, `busbar-plugin-<use>` or `<use>`,
 * looked for in `folder` and above, then beside core. `<use>` may end in `/<plugin>`: a further plugin of that package, its export `./<plugin>`.
 * @throws {BusbarError} NOT_FOUND when there is none, CONFIG when it does not load or its default export is no plugin.
 */
export async function loadPlugin(use: string, folder: string): Promise<AnyPlugin> {
  const found = await locatePlugin(use, folder);
  if (found === undefined) throw new BusbarError("NOT_FOUND", `Cannot find plugin "${use}": no package of that name is installed`);
  const { file } = found;
  let module: { readonly default?: unknown };
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    throw new BusbarError("CONFIG", `Cannot load plugin "${use}" from ${file}`, { cause: error });
  }
  const fault = pluginFault(module.default);
  if (fault !== undefined) throw new BusbarError("CONFIG", `Cannot use "${use}" as a plugin: the default export of ${file} is none, ${fault}`);
  return module.default as AnyPlugin;
}

/** Where a plugin is. */
export interface LocatedPlugin {
  /** The module whose default export it is. */
  readonly file: string;
  /** The folder of the package that it belongs to, and what its package.json says; undefined for a file of no package. */
  readonly package?: { readonly folder: string; readonly manifest: Manifest } | undefined;
}

/**
 * Finds what `loadPlugin` would load, without running it; undefined when there is none.
 * @throws {BusbarError} CONFIG for a path that is none.
 */
export async function locatePlugin(use: string, folder: string): Promise<LocatedPlugin | undefined> {
  if (/^\.{1,2}\//.test(use) || isAbsolute(use)) {
    const file = resolve(folder, use);
    if (!/\.[mc]?[tj]s$/.test(file)) throw new BusbarError("CONFIG", `Cannot load plugin "${use}": a path must end in .ts, .mts, .js or .mjs`);
    if (await isFile(file)) return { file, package: await packageAround(dirname(file)) };
    throw new BusbarError("CONFIG", `Cannot load plugin "${use}": there is no file ${file}`);
  }
  const places = searchPath(folder);
  const { packages, plugin } = parseUse(use);
  for (const name of packages) {
    for (const place of places) {
      const at = join(place, name);
      const manifest = await readManifest(at);
      if (!manifest) continue;
      const file = plugin === "." ? entryFile(at, manifest) : exportFile(at, manifest, plugin);
      return file === undefined ? undefined : { file, package: { folder: at, manifest } };
    }
  }
  return undefined;
}

/** The nearest package at or above a folder that has anything to say to Busbar. */
async function packageAround(folder: string): Promise<LocatedPlugin["package"]> {
  for (const at of ancestors(folder)) {
    const manifest = await readManifest(at);
    if (manifest?.busbar !== undefined) return { folder: at, manifest };
  }
  return undefined;
}

/**
 * Lists the plugins that a config in `folder` could use, in order of name: packages `@busbar/*` and `busbar-plugin-*` with the keyword `busbar-plugin`, seen from
 * `folder` and from core. The nearest of two of one name counts. Runs no plugin code.
 */
export async function listPlugins(folder: string): Promise<readonly InstalledPlugin[]> {
  const found = new Map<string, InstalledPlugin>();
  for (const place of searchPath(folder)) {
    const names = [...(await namesIn(join(place, "@busbar"))).map((name) => `@busbar/${name}`), ...(await namesIn(place)).filter((name) => name.startsWith("busbar-plugin-"))];
    for (const name of names) {
      for (const plugin of await describe(join(place, name), name)) if (!found.has(plugin.name)) found.set(plugin.name, plugin);
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The plugins of a package: its own, and those of its `busbar.plugins`, by name a description, or `{description, permissions}`. */
async function describe(folder: string, name: string): Promise<readonly InstalledPlugin[]> {
  const manifest = await readManifest(folder);
  if (!manifest || !Array.isArray(manifest.keywords) || !manifest.keywords.includes("busbar-plugin")) return [];
  const { api, runtimes, plugins, permissions } = recordOf(manifest.busbar);
  const own: InstalledPlugin = {
    name: name.replace(/^@busbar\/|^busbar-plugin-/, ""),
    package: name,
    version: textOf(manifest.version),
    description: textOf(manifest.description),
    api: textOf(api),
    runtimes: Array.isArray(runtimes) ? runtimes.filter((runtime) => typeof runtime === "string") : [],
    permissions: permissionsOf(permissions),
    folder,
  };
  return [
    own,
    ...Object.entries(recordOf(plugins)).map(([plugin, about]) => {
      const { description, permissions } = typeof about === "string" ? { description: about } : recordOf(about);
      return { ...own, name: `${own.name}/${plugin}`, description: textOf(description), permissions: permissionsOf(permissions) };
    }),
  ];
}

const permissionsOf = (value: unknown): PermissionManifest | undefined => {
  const read = parseManifest(value);
  return "manifest" in read ? read.manifest : undefined;
};
const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {});
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
