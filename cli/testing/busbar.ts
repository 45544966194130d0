import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";

const program = fileURLToPath(new URL("../main.ts", import.meta.url));
/** A command of these tests that takes longer has hung. */
const patience = 30_000;

/** How a command ended. */
export interface Ended {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  /** Sends it a signal. */
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
  /** Resolves when stdout (or stderr) matches, with the match; rejects when the command ends before. */
  said(pattern: RegExp, stream?: "stdout" | "stderr"): Promise<RegExpExecArray>;
}

/** Where and how a command of a test runs. */
export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads on stdin. */
  readonly input?: string;
}

/** Starts the real `busbar` command on the runtime of the test. */
export function startBusbar(args: readonly string[], options: RunOptions): Running {
  const { BUSBAR_TOKEN: _, BUSBAR_DEBUG: __, NO_COLOR: ___, ...own } = process.env;
  const [runtime, ...words] = commandFor(program);
  const child = spawn(runtime, [...words, ...args], { cwd: options.cwd, env: { ...own, ...options.env }, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}); // a command that does not read its stdin
  child.stdin.end(options.input ?? "");
  const text = { stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (chunk: string) => {
      text[stream] += chunk;
      for (const listener of listeners) listener();
    });
  }
  // Not child.kill(): on Deno only its first call counts, and the exit code is then lost.
  const signal = (name: NodeJS.Signals): void => void (child.exitCode === null && child.signalCode === null && process.kill(child.pid!, name));
  const timer = setTimeout(() => signal("SIGKILL"), patience);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ...text });
      for (const listener of listeners) listener();
    });
  });
  return {
    signal,
    ended,
    said(pattern, stream = "stdout") {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(text[stream]);
          if (match) resolve(match);
          if (match) listeners.delete(look);
        };
        listeners.add(look);
        look();
        void ended.then(({ code, signal }) => reject(new Error(`the command ended with ${code ?? signal} before it said ${pattern}\n${text.stdout}${text.stderr}`)));
      });
    },
  };
}

/** Runs the real `busbar` command to its end. */
export async function runBusbar(args: readonly string[], options: RunOptions): Promise<Ended> {
  return await startBusbar(args, options).ended;
}

/** A temporary folder with files in it; gone when disposed of. */
export async function openFolder(files: Readonly<Record<string, string>> = {}): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "busbar-cli-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Starts a gateway on the config busbar.yaml of a folder; resolves when it listens, with the URLs of what it announced by name. Stopped when disposed of. */
export async function startGateway(folder: string): Promise<Running & { readonly urls: ReadonlyMap<string, string> } & AsyncDisposable> {
  const running = startBusbar(["start", "--json"], { cwd: folder });
  const [line] = await running.said(/^\{.*\}$/m);
  const { plugins } = JSON.parse(line) as { plugins: { addresses: { what: string; url: string }[] }[] };
  const urls = new Map(plugins.flatMap(({ addresses }) => addresses.map(({ what, url }) => [what, url] as const)));
  return {
    ...running,
    urls,
    async [Symbol.asyncDispose]() {
      running.signal("SIGTERM");
      await running.ended;
    },
  };
}

/** A config that listens on free ports, with a role for everything and one for devices; nothing is stored. */
export const smallConfig = `plugins:
  auth-jwt:
    keyFile: signing.key
    roles:
      admin: { publish: ["#"], subscribe: ["#"] }
      device: { publish: ["status/{id}/#"], subscribe: ["command/{id}/#"] }
  http: { port: 0 }
  websocket: {}
  tcp-protobuf: { port: 0 }
`;
