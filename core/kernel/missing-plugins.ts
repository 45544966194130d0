import type { InstanceStatus } from "../gateway.ts";

/** Which required plugins do not run and why, a line each; the caller may add to it. */
export function missingPlugins(plugins: readonly InstanceStatus[]): string[] {
  return plugins.filter(({ required, state }) => required && state !== "running").map(({ id, state, reason }) => `plugin "${id}" is ${state}${reason === undefined ? "" : `: ${reason}`}`);
}
