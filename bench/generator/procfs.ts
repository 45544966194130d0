import { readFileSync } from "node:fs";

/** What a process has used so far. */
export interface Usage {
  /** Microseconds of CPU time, user and system, all threads. Resolution: one clock tick, 10 ms. */
  readonly cpuUs: number;
  /** Resident set size in KiB. */
  readonly rssKib: number;
}

/** Linux counts CPU time in user space in ticks of 1/100 s (proc(5), `sysconf(_SC_CLK_TCK)`). */
const tickUs = 10_000;

/**
 * Microseconds for which CPU `cpu` has run programs since boot, or was taken away by the hypervisor (proc(5): /proc/stat user, nice, system,
 * steal). Interrupts are left out: nearly all are for the network traffic of whoever is measured, and no process is charged for them.
 */
export function readBusyUs(cpu: number): number {
  const fields = new RegExp(`^cpu${cpu} (.+)$`, "m").exec(readFileSync("/proc/stat", "latin1"))?.[1]?.split(" ").map(Number) ?? [];
  return ((fields[0] ?? 0) + (fields[1] ?? 0) + (fields[2] ?? 0) + (fields[7] ?? 0)) * tickUs;
}

/**
 * Reads what the whole process `pid` has used (proc(5): /proc/<pid>/stat fields 14 and 15, /proc/<pid>/status VmRSS).
 * @throws Error when there is no such process.
 */
export function readUsage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The command name (field 2) is in parentheses and may hold blanks, so counting starts behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  return { cpuUs: (Number(fields[11]) + Number(fields[12])) * tickUs, rssKib: Number(rss?.[1] ?? 0) };
}
