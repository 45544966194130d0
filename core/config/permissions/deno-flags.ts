import { relative, sep } from "node:path";
import { formatAddress, type Permissions } from "./permissions.ts";

/**
 * The options of `deno run` that grant exactly these permissions: nothing is asked for at a terminal, and an environment variable that is not granted is not there,
 * as libraries look for many that nobody sets. Paths below `cwd` are written relative to it. `isolates`: whether a plugin is to run in a worker with permissions of its own.
 */
export function denoFlags({ net, read, write, env, sys }: Permissions, cwd: string, { isolates = false }: { readonly isolates?: boolean } = {}): readonly string[] {
  const short = (path: string): string => {
    const way = relative(cwd, path);
    return way === "" ? "." : way.startsWith("..") ? path : way.split(sep).join("/");
  };
  const flag = (name: string, values: readonly string[]): readonly string[] => (values.length === 0 ? [] : [`--allow-${name}=${values.join(",")}`]);
  return [
    "--no-prompt",
    ...(isolates ? ["--unstable-worker-options"] : []),
    ...flag("net", [...new Set(net.map(formatAddress))].sort()),
    ...flag("read", outermost(read).map(short)),
    ...flag("write", outermost(write).map(short)),
    ...flag("env", env),
    "--ignore-env",
    ...flag("sys", sys),
  ];
}

/** Paths without those that lie below another one of them. */
function outermost(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)].filter((path) => !paths.some((other) => other !== path && path.startsWith(other.endsWith(sep) ? other : other + sep))).sort();
}
