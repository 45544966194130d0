import { spawnSync } from "node:child_process";

/** Why system calls cannot be tampered with here; undefined when they can. */
export function straceMissing(): string | undefined {
  const { status, error } = spawnSync("strace", ["-o", "/dev/null", "true"], { stdio: "ignore" });
  return error !== undefined ? "strace is not installed" : status !== 0 ? "strace may not trace here" : undefined;
}

/**
 * The words that run a program under strace(1) and kill it when one of its threads is about to make such a system call for the `when`-th time; the call is not made.
 * The tracer is a grandchild, so that the process id is that of the program.
 */
export function killAtCall(calls: readonly string[], when: number): readonly string[] {
  const names = calls.join(",");
  return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${names}`, "-e", `inject=${names}:signal=KILL:when=${when}`];
}

/** The words that run a program under strace(1) and make each sync of a file or folder take so many milliseconds longer. */
export function delaySyncs(milliseconds: number): readonly string[] {
  return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", `inject=fsync,fdatasync:delay_exit=${milliseconds * 1000}`];
}
