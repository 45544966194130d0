import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startChild } from "../machine/child.ts";
import type { Child } from "../machine/child.ts";
import { denoProgram, nodeProgram } from "../machine/runtimes.ts";
import { freePort } from "../../core/testkit/free-port.ts";
import type { Target } from "./target.ts";

/** Runtimes that Busbar runs on. */
export type Runtime = "node" | "deno";

const root = join(import.meta.dirname, "..", "..");
const cli = join(root, "cli", "main.ts");
/** Not the system's folder for temporary files: that is often in memory, where an fsync costs nothing and proves nothing. */
const dataRoot = join(root, ".cache");
const startMs = 15_000;

/**
 * Busbar itself, started with `busbar start` on `bench/<config>.yaml`: `busbar` keeps its journal in memory, `busbar-durable` in
 * SQLite. Named `busbar` or `busbar-deno`.
 */
export function busbar(runtime: Runtime, config: "busbar" | "busbar-durable"): Target {
  const command = runtime === "node" ? [nodeProgram, "--max-semi-space-size=8"] : [denoProgram, "run", "-A", "--no-check"]; // on Node as `npm start` does it
  return {
    name: runtime === "node" ? "busbar" : "busbar-deno",
    missing: () => [cli, command[0] ?? ""].find((file) => !existsSync(file)),
    async start(cpu) {
      await mkdir(dataRoot, { recursive: true });
      const data = await mkdtemp(join(dataRoot, "bench-"));
      const http = await freePort();
      const tcp = await freePort();
      const secret = randomBytes(32).toString("base64url");
      const env = { BENCH_SECRET: secret, BENCH_DATA: data, BENCH_HTTP_PORT: String(http), BENCH_TCP_PORT: String(tcp) };
      const child = startChild([...command, cli, "start", join(root, "bench", `${config}.yaml`)], { cpu, env, cwd: data });
      const stop = async (): Promise<void> => {
        await child.stop();
        await rm(data, { recursive: true, force: true });
      };
      try {
        await listening(child, [http, tcp]);
      } catch (error) {
        await stop();
        throw error;
      }
      return {
        pid: child.pid,
        publish: { wire: "busbar-tcp", port: tcp, secret },
        subscribe: { wire: "busbar-ws", port: http, secret },
        stop,
      };
    },
  };
}

/** Resolves when something accepts connections on all `ports`. @throws Error with the program's own words when it ends first. */
async function listening(child: Child, ports: readonly number[]): Promise<void> {
  const deadline = performance.now() + startMs;
  for (const port of ports) {
    while (!(await Promise.race([accepts(port), child.ended]))) {
      if (performance.now() > deadline) throw new Error(`Cannot start busbar: nothing listens on port ${port} after ${startMs} ms`);
      await sleep(10);
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
