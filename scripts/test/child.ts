import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import process from "node:process";

/** What a child process said and how it ended. */
export interface Finished {
  /** The exit code; 124 when it was ended because it took too long, as timeout(1) has it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in `cwd` until it ends, but not for ever. */
export async function runChild(program: string, args: readonly string[], options: { readonly cwd: string; readonly timeout: number; readonly env?: Readonly<Record<string, string>> }): Promise<Finished> {
  const { cwd, timeout, env } = options;
  const { BUSBAR_TOKEN: _, ...own } = process.env; // a developer's token must not reach the tests
  const child = spawn(program, args, { cwd, env: { ...own, NO_COLOR: "1", ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeout);
  const ended = new Promise<number>((resolve, reject) => child.on("error", reject).on("close", (code) => resolve(late ? 124 : (code ?? 70))));
  try {
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}
