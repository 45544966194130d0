import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { denoProgram, nodeProgram } from "./runtimes.ts";

const program = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** How `busbar` is run on each runtime. */
export const commands: Readonly<Record<"node" | "deno", readonly string[]>> = { node: [nodeProgram, program], deno: [denoProgram, "run", "-A", "--no-check", program] };

/** A gateway in a process of its own. */
export interface GatewayUnderLoad {
  /** Seconds from its start until it was ready. */
  readonly seconds: number;
  /** What it listens on, by what it announced: "HTTP API". */
  readonly urls: ReadonlyMap<string, string>;
  /** Seconds of CPU that all its threads have used. */
  cpu(): number;
  /** Resident memory in MiB: the most there was, and now. */
  memory(): { readonly most: number; readonly now: number };
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/** Starts the gateway whose config is in `folder`; resolves when it is ready. */
export async function startGateway(runtime: "node" | "deno", folder: string): Promise<GatewayUnderLoad> {
  const [command, ...words] = commands[runtime];
  const began = performance.now();
  const child = spawn(command!, [...words, "start", "--json"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const found = /^\{.*\}$/m.exec((text += chunk))?.[0];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => reject(new Error("the gateway ended before it was ready")));
  });
  const seconds = (performance.now() - began) / 1000;
  const { plugins } = JSON.parse(line) as { readonly plugins: readonly { readonly addresses: readonly { readonly what: string; readonly url: string }[] }[] };
  const status = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${child.pid}/status`, "latin1"))![1]) / 1024;
  return {
    seconds,
    urls: new Map(plugins.flatMap(({ addresses }) => addresses.map(({ what, url }) => [what, url] as const))),
    cpu() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" ");
      return (Number(fields[11]) + Number(fields[12])) / 100; // utime and stime of proc(5), in ticks of 10 ms
    },
    memory: () => ({ most: status("VmHWM"), now: status("VmRSS") }),
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
