import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Which CPU the server and which one the load generator is pinned to; undefined = not pinned. */
export interface CpuPlan {
  readonly server: number | undefined;
  readonly generator: number | undefined;
  /** What the reader of the figures must know; undefined when all is well. */
  readonly warning: string | undefined;
}

/** Gives the server one CPU of those that this process may use, and the load generator another. */
export function planCpus(): CpuPlan {
  const unpinned = { server: undefined, generator: undefined };
  if (spawnSync("taskset", ["-V"]).error !== undefined) return { ...unpinned, warning: "taskset is missing: nothing is pinned to a CPU" };
  const cpus = allowedCpus(readFileSync("/proc/self/status", "latin1"));
  const [server, generator] = cpus;
  if (server === undefined || generator === undefined) return { ...unpinned, warning: "one CPU only: server and load generator share it" };
  return { server, generator, warning: undefined };
}

/** Parses `Cpus_allowed_list` of /proc/<pid>/status (proc(5)), such as `0-1,4`. Ascending. */
export function allowedCpus(status: string): number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [from = 0, to = from] = range.split("-").map(Number);
    return range === "" ? [] : Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}
