import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";

/** A process that this one started, and how to end it. */
export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Resolves with the first capture of `pattern` on standard output or standard error. @throws Error when the process ends or 15 s pass first. */
  output(pattern: RegExp): Promise<string>;
  /** Rejects when the process ends, with what it said last; never resolves. */
  readonly ended: Promise<never>;
  /** Ends it: SIGTERM, after five seconds SIGKILL. Resolves when it is gone. */
  stop(): Promise<void>;
}

/** How to start a process. */
export interface ChildOptions {
  /** CPU that all its threads are confined to. */
  readonly cpu: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Opens a channel for `send` and "message". */
  readonly ipc?: boolean;
}

const startMs = 15_000;
const stopMs = 5_000;
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
// A signal ends a process without "exit" unless somebody turns it into one; the servers would go on for ever.
for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15]] as const) process.once(signal, () => process.exit(128 + number));

/**
 * Starts `command` with as many open files as the system lets it have, on one CPU. `exec` keeps the process id, so that it is
 * the program's own.
 */
export function startChild(command: readonly string[], options: ChildOptions): Child {
  const pin = options.cpu === undefined ? [] : ["taskset", "-c", String(options.cpu)];
  const stdio: StdioOptions = ["ignore", "pipe", "pipe", ...(options.ipc === true ? (["ipc"] as const) : [])];
  const child = spawn("sh", ["-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", ...pin, ...command], {
    stdio,
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  running.add(child);
  let text = "";
  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      // Only the beginning says what listens where, only the end what went wrong.
      text = text.length > 65_536 ? text.slice(0, 16_384) + text.slice(-16_384) + chunk : text + chunk;
      changed();
    });
  }
  const exited = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      text += error.message;
      resolve();
    });
    child.once("close", () => resolve());
  }).then(() => {
    running.delete(child);
    changed();
  });
  const failure = (why: string): Error => new Error(`Cannot start ${command.join(" ")}: ${why}: ${text.trim().slice(-2000)}`);
  const ended = exited.then(() => Promise.reject(failure("it ended")));
  // Most callers never look: an end that was asked for is no failure.
  ended.catch(() => undefined);
  return {
    process: child,
    pid: child.pid ?? -1,
    ended,
    output: (pattern) =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void): void => {
          listeners.delete(check);
          clearTimeout(timer);
          settle();
        };
        const fail = (why: string): void => end(() => reject(failure(why)));
        const timer = setTimeout(() => fail(`it did not say ${pattern} within ${startMs} ms`), startMs);
        const check = (): void => {
          const found = pattern.exec(text);
          if (found !== null) end(() => resolve(found[1] ?? ""));
          else if (!running.has(child)) fail("it ended");
        };
        listeners.add(check);
        check();
      }),
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
      await exited;
      clearTimeout(timer);
    },
  };
}
