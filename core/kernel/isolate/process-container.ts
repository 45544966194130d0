import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { setPriority } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Container, ContainerOptions } from "./container.ts";
import { createUnframer, frameBatch } from "./process-frames.ts";

const program = fileURLToPath(new URL(`./isolate-process${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url)); // .ts here, .js when published
const mebibyte = 1024 ** 2;
/** Bytes of a page of memory in /proc (Linux, 4 KiB on every platform that Node ships for but some arm64). */
const pageSize = 4096;
/** Characters of stderr that are kept to say why it ended. */
const stderrLimit = 4000;

/**
 * Starts the process of an isolate on Node, under its permission model (nodejs.org/api/permissions.html): files by path, no child processes, no native add-ons. Hosts and ports cannot be
 * withheld singly; environment variables that are not granted are not passed on.
 */
export function startProcess(options: ContainerOptions): Container {
  const { permissions, code, memory, threads } = options;
  const { read, write, env, net } = permissions;
  const words = [
    "--permission",
    ...[...code, ...read].flatMap((path) => granting("read", path)),
    ...write.flatMap((path) => granting("write", path)),
    ...(threads ? ["--allow-worker", "--disable-warning=PERM0006"] : []),
    ...(net.length > 0 && process.allowedNodeEnvironmentFlags.has("--allow-net") ? ["--allow-net"] : []),
    `--max-old-space-size=${Math.ceil(memory / mebibyte)}`,
    "--disable-warning=ExperimentalWarning",
    program,
  ];
  const child = spawn(process.execPath, words, { env: Object.fromEntries(env.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))), stdio: ["ignore", "ignore", "pipe", "pipe"] });
  if (child.pid !== undefined) giveWay(child.pid);
  const pipe = child.stdio[3] as Socket;
  let ended = false;
  let killed = false;
  let stderr = "";
  const end = (reason: string, kind: "crash" | "memory" | "malformed"): void => {
    if (ended || killed) return;
    ended = true;
    options.onEnd(reason, kind);
  };
  const push = createUnframer((batch) => options.onBatch(batch));
  pipe.on("data", (chunk: Uint8Array) => {
    if (killed || ended) return;
    try {
      push(chunk);
    } catch (error) {
      end(error instanceof Error ? error.message : String(error), "malformed");
    }
  });
  pipe.on("error", () => {}); // "close" follows
  child.stderr!.setEncoding("utf8").on("data", (chunk: string) => (stderr = (stderr + chunk).slice(-stderrLimit)));
  const gone = new Promise<void>((resolve) => {
    child.on("error", (error) => {
      end(`it cannot be started: ${error.message}`, "crash");
      resolve();
    });
    child.on("exit", (status, signal) => {
      const outOfMemory = /heap out of memory|allocation failed/i.test(stderr);
      end(outOfMemory ? "it needs more memory than it may have" : `it ended with ${signal ?? status}${lastLine(stderr)}`, outOfMemory ? "memory" : "crash");
      resolve();
    });
  });
  return {
    post: (batch) => void (pipe.destroyed || pipe.write(frameBatch(batch))),
    waiting: () => pipe.writableLength,
    pause: () => void pipe.pause(),
    resume: () => void pipe.resume(),
    ownMemory: true,
    memory: () => (child.pid === undefined || ended ? undefined : residentSize(child.pid)),
    kill() {
      killed = true;
      pipe.destroy();
      child.kill("SIGKILL");
      return gone;
    },
  };
}

/** The gateway goes before its isolates where there is not time enough for all: one that spins is not to slow the others down. */
function giveWay(pid: number): void {
  try {
    setPriority(pid, 5);
  } catch {
    return; // it has ended already, or this system does not have it
  }
}

/** A path and everything below it: Node takes a folder that is not there yet for a file. */
function granting(what: "read" | "write", path: string): readonly string[] {
  return existsSync(path) ? [`--allow-fs-${what}=${path}`] : [`--allow-fs-${what}=${path}`, `--allow-fs-${what}=${path}/*`];
}

/** proc(5), /proc/pid/statm: the second number is the resident set in pages. */
function residentSize(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * pageSize;
  } catch {
    return undefined; // another system, or it has just ended
  }
}

function lastLine(text: string): string {
  const line = text.split("\n").map((one) => one.trim()).filter((one) => /\bError\b|\berror:/.test(one)).at(-1);
  return line === undefined ? "" : `: ${line.slice(0, 300)}`;
}
