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
