import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Runtime } from "./scenario.ts";

const program = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
/** A gateway that takes longer to start or to stop has hung. */
const patience = 60_000;

/** What a gateway listens on, by what it announced: "TCP", "WebSocket", "HTTP API". */
export type Urls = ReadonlyMap<string, string>;

/** A real gateway in a process of its own. */
export interface GatewayProcess {
  readonly pid: number;
  /** Resolves when it listens; rejects when it ends before. */
  readonly ready: Promise<Urls>;
  /** Resolves when it has ended, with its exit code or the signal. */
  readonly ended: Promise<number | string>;
  /** Lines of its log of level error, the first 20. */
  readonly errors: readonly string[];
  /** SIGKILL: resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM: resolves with its exit code. */
  stop(): Promise<number | string>;
}

/** How a gateway is started. */
export interface GatewayProcessOptions {
  /** Where its `busbar.yaml` or `busbar.json` is. */
  readonly folder: string;
  readonly runtime: Runtime;
  /** Words of a program that runs it, such as strace -D, which must not become its parent. */
  readonly prefix?: readonly string[];
  /** Environment variables besides our own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Is told everything that it prints, as it comes. */
  readonly heard?: (text: string, stream: "stdout" | "stderr") => void;
}

/** Starts the gateway of the config in a folder. */
export function startGatewayProcess({ folder, runtime, prefix = [], env = {}, heard }: GatewayProcessOptions): GatewayProcess {
  const { BUSBAR_TOKEN: _, BUSBAR_DEBUG: __, ...own } = process.env;
  const [first, ...rest] = [...prefix, ...runtime.command(program), "start", "--json"];
  const child = spawn(first!, rest, { cwd: folder, env: { ...own, NO_COLOR: "1", ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const errors: string[] = [];
  const text = { stdout: "", stderr: "" };
  let gone = false;
  const ended = new Promise<number | string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      gone = true;
      resolve(code ?? signal ?? "nothing");
    });
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    heard?.(chunk, "stderr");
    const lines = (text.stderr + chunk).split("\n");
    text.stderr = lines.pop()!.slice(0, 10_000);
    for (const line of lines) if (errors.length < 20 && isError(line)) errors.push(line);
  });
  const ready = new Promise<Urls>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      heard?.(chunk, "stdout");
      text.stdout += chunk;
      const line = /^\{.*\}$/m.exec(text.stdout)?.[0];
      if (line !== undefined) resolve(urlsOf(line));
      text.stdout = text.stdout.slice(-100_000);
    });
    ended.then((how) => reject(new Error(`the gateway ended with ${how} before it listened\n${errors.join("\n")}\n${text.stderr}`)), reject);
  });
  ready.catch(() => {}); // whoever kills it while it starts does not wait for this
  // Not child.kill(): on Deno only its first call counts, and the exit code is then lost.
  const signal = (name: NodeJS.Signals): void => void (!gone && process.kill(child.pid!, name));
  const within = async <T>(promise: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => signal("SIGKILL"), patience);
    return await promise.finally(() => clearTimeout(timer));
  };
  return {
    pid: child.pid!,
    ready: within(ready),
    ended,
    errors,
    async kill() {
      signal("SIGKILL");
      await ended;
    },
    async stop() {
      signal("SIGTERM");
      return await within(ended);
    },
  };
}

/** A line that says error, or none of ours: a crash of the runtime. */
function isError(line: string): boolean {
  if (line === "") return false;
  try {
    return (JSON.parse(line) as { readonly level?: string }).level === "error";
  } catch {
    return true;
  }
}

function urlsOf(line: string): Urls {
  const { plugins } = JSON.parse(line) as { readonly plugins: readonly { readonly addresses: readonly { readonly what: string; readonly url: string }[] }[] };
  return new Map(plugins.flatMap(({ addresses }) => addresses.map(({ what, url }) => [what, url] as const)));
}
