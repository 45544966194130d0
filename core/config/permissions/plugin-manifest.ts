import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { locatePlugin } from "../discover.ts";
import { exportFile } from "../package-entry.ts";
import { noPermissions, parseManifest, type PermissionManifest } from "./manifest.ts";

/** What a plugin's package says about it, found without running any of its code. */
export interface PluginPackage {
  /** The module of the plugin, an absolute path without symbolic links. */
  readonly file: string;
  /** The folder of its package; undefined for a file of no package. */
  readonly folder: string | undefined;
  readonly manifest: PermissionManifest;
  /** What is wrong with its `busbar.permissions`; it is then taken to ask for nothing. */
  readonly fault: string | undefined;
}

/** Reads what the plugin that a config in `folder` calls `use` asks for; undefined when there is no such plugin. @throws {BusbarError} CONFIG for a path that is none. */
export async function readPluginPackage(use: string, folder: string): Promise<PluginPackage | undefined> {
  const found = await locatePlugin(use, folder);
  if (found === undefined) return undefined;
  const file = await realpath(found.file);
  if (found.package === undefined) return { file, folder: undefined, manifest: noPermissions, fault: undefined };
  const { folder: at, manifest } = found.package;
  const { permissions, plugins } = fieldsOf(manifest.busbar);
  const further = Object.entries(fieldsOf(plugins)).find(([name]) => exportFile(at, manifest, `./${name}`) === found.file);
  const asked = parseManifest(further === undefined ? permissions : fieldsOf(further[1])["permissions"]);
  const whole = { file, folder: await realpath(join(at, ".")) };
  return "fault" in asked ? { ...whole, manifest: noPermissions, fault: asked.fault } : { ...whole, manifest: asked.manifest, fault: undefined };
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {});
