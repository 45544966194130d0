import { dirname, resolve } from "node:path";
import type { CheckedConfig } from "../checked.ts";
import type { ConfigHost } from "../host.ts";
import { loadConfig, type LoadedConfig } from "../load.ts";
import { systemConfigHost } from "../system-host.ts";
import { codeFolders } from "./code-folders.ts";
import { noPermissions } from "./manifest.ts";
import { mergePermissions, resolvePermissions, type Permissions } from "./permissions.ts";

/** What a gateway may touch, by whom, and all together. */
export interface GatewayPermissions {
  /** What the kernel itself needs: the config, what is filled into it, and the code. */
  readonly kernel: Permissions;
  /** By id, what each plugin instance asks for. One in an isolate has that and nothing else; the others share what is granted to all of them. */
  readonly instances: ReadonlyMap<string, Permissions>;
  /** Everything: what the process of the gateway has to be granted. What is granted to an isolate on Deno has to be the gateway's, too. */
  readonly all: Permissions;
  /** Whether any of them runs in an isolate. */
  readonly isolates: boolean;
}

/** Environment variables that `busbar start` itself looks at: whether it may use colours (no-color.org), and whether errors are to be told in full. */
const ownVariables = ["BUSBAR_DEBUG", "NO_COLOR", "TERM"];

/** Works out what a config needs by the manifests of its plugins. Relative paths start from `cwd`. */
export async function gatewayPermissions(file: string, cwd: string, host: ConfigHost = systemConfigHost): Promise<LoadedConfig & { readonly permissions?: GatewayPermissions }> {
  const env = new Set(ownVariables);
  const read = new Set<string>([resolve(cwd, file)]);
  const noting: ConfigHost = {
    ...host,
    env: (name) => (env.add(name), host.env(name)),
    readText: (path) => (read.add(resolve(cwd, path)), host.readText(path)),
  };
  const loaded = await loadConfig(file, noting);
  if (loaded.config === undefined) return loaded;
  const instances = instancePermissions(loaded.config, cwd);
  const packages = loaded.config.instances.flatMap(({ package: from }) => (from === undefined ? [] : [from.folder ?? dirname(from.file)]));
  const kernel = { ...resolvePermissions(noPermissions, {}, cwd), env: [...env].sort(), read: [...read, ...(await codeFolders(packages))] };
  return { ...loaded, permissions: { kernel, instances, all: mergePermissions([kernel, ...instances.values()]), isolates: loaded.config.instances.some(({ isolate }) => isolate !== undefined) } };
}

/** By id, what each plugin instance of a config asks for. */
export function instancePermissions(config: CheckedConfig, cwd: string): ReadonlyMap<string, Permissions> {
  return new Map(config.instances.map((instance) => [instance.id, resolvePermissions(instance.package?.manifest ?? noPermissions, instance.config, cwd)]));
}
