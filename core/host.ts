import { constants } from "node:os";
import process from "node:process";
import { systemClock } from "./clock.ts";
import { errorCode, type ErrorCode } from "./errors.ts";
import type { Kernel } from "./kernel/kernel.ts";
import { createLog, formatLogJson, formatLogText, type Log, type LogLevel, type LogRecord } from "./log.ts";

/** What the process ends with (sysexits.h; WIRE §7). */
export const ExitCode = { ok: 0, usage: 64, dataError: 65, unavailable: 69, software: 70, ioError: 74, noPermission: 77, config: 78 } as const;

/** One of the exit codes. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const exitCodes: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  UNAVAILABLE: ExitCode.unavailable,
  OVERLOAD: ExitCode.unavailable,
  TIMEOUT: ExitCode.unavailable,
  CLOSED: ExitCode.unavailable,
  CONFIG: ExitCode.config,
  NOT_FOUND: ExitCode.config,
  IO: ExitCode.ioError,
  UNAUTHENTICATED: ExitCode.noPermission,
  FORBIDDEN: ExitCode.noPermission,
};

const unavailableErrors: ReadonlySet<string> = new Set(["EADDRINUSE", "EADDRNOTAVAIL", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "ETIMEDOUT"]);
const ioErrors: ReadonlySet<string> = new Set(["EACCES", "EIO", "EISDIR", "EMFILE", "ENOENT", "ENOSPC", "ENOTDIR", "EPERM", "EROFS"]);

/** The exit code for an error: by the code of a BusbarError, else by the system error below it, else 70. */
export function exitCodeOf(error: unknown): ExitCode {
  const known = exitCodes[errorCode(error)];
  if (known !== undefined) return known;
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code } = at as NodeJS.ErrnoException;
    if (code === undefined) continue;
    if (unavailableErrors.has(code)) return ExitCode.unavailable;
    if (ioErrors.has(code)) return ExitCode.ioError;
  }
  return ExitCode.software;
}

/** Whether what is written to a stream may be coloured: it is a terminal that can, and `NO_COLOR` (no-color.org) is not set. */
export function mayColour(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
}

const colours: Readonly<Record<LogLevel, string>> = { debug: "\u001b[2m", info: "", warn: "\u001b[33m", error: "\u001b[31m" };

/** The log of a process: on stderr, for people when that is a terminal, else one JSON object a line (WIRE §7). */
export function createStderrLog(level: LogLevel): Log {
  const { stderr } = process;
  const colour = mayColour(stderr);
  const format = (record: LogRecord): string => {
    if (!stderr.isTTY) return formatLogJson(record);
    const start = colour ? colours[record.level] : "";
    return start + formatLogText(record) + (start === "" ? "" : "\u001b[0m");
  };
  stderr.on("error", () => {}); // whoever read the log has gone: the gateway goes on without
  return createLog({ level, clock: systemClock, write: (record) => void stderr.write(format(record) + "\n") });
}

/** The program and its first arguments that run a TypeScript file on the runtime that runs this: `node file`, or `deno run -A file`. */
export function commandFor(file: string): readonly [program: string, ...args: string[]] {
  return process.versions["deno"] === undefined ? [process.execPath, file] : [process.execPath, "run", "-A", file];
}

/** Whether a worker can be given permissions of its own (Deno). Where it cannot (Node), an isolate is a process. */
export function hasPermittedWorkers(): boolean {
  return process.versions["deno"] !== undefined;
}

/** What goes on around a kernel that a process runs. */
export interface RunOptions {
  readonly log: Log;
  /** Called once, when every plugin is set up and the bus is open. */
  started?(): void;
  /** Called at SIGHUP, never twice at the same time. What it throws is logged. */
  reload?(): Promise<void>;
}

/**
 * Starts a kernel and runs it until the process is told to end. SIGTERM and SIGINT stop it in order, a second one ends the process at once with 128 + its number;
 * SIGHUP reloads. An error that nobody caught is put down to a plugin where that is possible; any other stops the kernel. Resolves with the exit code, the kernel then
 * being stopped; the caller ends the process.
 * @throws {BusbarError} when the kernel cannot be started.
 */
export async function runKernel(kernel: Kernel, { log, started, reload }: RunOptions): Promise<ExitCode> {
  const { promise: ended, resolve: end } = Promise.withResolvers<ExitCode>();
  let stopping = false;
  const stop = (code: ExitCode): void => {
    stopping = true;
    kernel.stop().then(
      () => end(code),
      (error: unknown) => {
        log.error("the gateway did not stop in order", { error });
        end(ExitCode.software);
      },
    );
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(128 + constants.signals[signal]);
    log.info("the gateway stops", { signal });
    stop(ExitCode.ok);
  };
  const onError = (error: unknown): void => {
    if (kernel.uncaught(error)) return;
    log.error("an error that nobody caught", { error, stack: error instanceof Error ? error.stack : undefined });
    if (!stopping) stop(ExitCode.software);
  };
  const onReload = oneAtATime(async () => {
    if (stopping) return;
    await reload?.().catch((error: unknown) => log.error("reload failed, everything runs on as before", { error }));
  });
  const handlers: readonly (readonly [event: string, handler: (...args: never[]) => void])[] = [
    ["SIGTERM", onSignal],
    ["SIGINT", onSignal],
    ...(process.platform === "win32" ? [] : [["SIGHUP", onReload] as const]),
    ["uncaughtException", onError],
    ["unhandledRejection", onError],
  ];
  for (const [event, handler] of handlers) process.on(event, handler as () => void);
  try {
    try {
      await kernel.start();
    } catch (error) {
      if (!stopping) throw error;
    }
    if (!stopping) started?.();
    return await ended;
  } finally {
    for (const [event, handler] of handlers) process.off(event, handler as () => void);
  }
}

/** Runs `work` for each call, but never twice at the same time: calls while it runs make it run once more. */
function oneAtATime(work: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      await work();
    } while (again);
    running = false;
  };
  return () => {
    again = true;
    if (!running) void run();
  };
}
