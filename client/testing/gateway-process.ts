import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";

/** A gateway in a process of its own, started and killed at will. */
export interface GatewayProcess extends AsyncDisposable {
  readonly url: string;
  /** A token for an id. */
  token(id: string, role: "admin" | "device"): Promise<string>;
  /** Kills it without a word, and starts another one on the same data and port. */
  killAndStart(): Promise<void>;
}

const program = fileURLToPath(import.meta.resolve("busbar"));

/** Starts it in a folder that is empty. */
export async function startGatewayProcess(folder: string): Promise<GatewayProcess> {
  const config = (port: number): Promise<void> =>
    writeFile(join(folder, "busbar.yaml"), `plugins:
  auth-jwt:
    keyFile: signing.key
    roles:
      admin: { publish: ["#"], subscribe: ["#"] }
      device: { publish: ["status/{id}/#"], subscribe: ["command/{id}/#"] }
  storage-sqlite: { file: journal.db }
  http: { port: ${port} }
  websocket: {}
`);
  await config(0);
  let running = await start(folder);
  const { url } = running;
  await config(Number(new URL(url).port));
  return {
    url,
    async token(id, role) {
      const child = run(folder, ["token", id, "--role", role]);
      const said = await read(child, /^\S+\n/);
      return said.trim();
    },
    async killAndStart() {
      await kill(running.child);
      running = await start(folder);
    },
    [Symbol.asyncDispose]: () => kill(running.child),
  };
}

function run(folder: string, args: readonly string[]): ChildProcess {
  const [runtime, ...words] = commandFor(program);
  return spawn(runtime, [...words, ...args], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
}

async function start(folder: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = run(folder, ["start", "--json"]);
  const { plugins } = JSON.parse(await read(child, /^\{.*\}\n/)) as { readonly plugins: readonly { readonly addresses: readonly { readonly what: string; readonly url: string }[] }[] };
  return { child, url: plugins.flatMap(({ addresses }) => addresses).find(({ what }) => what === "WebSocket")!.url };
}

/** What a process has said when that is enough. */
async function read(child: ChildProcess, enough: RegExp): Promise<string> {
  let said = "";
  return await new Promise((resolve, reject) => {
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (enough.test(said)) resolve(said);
    });
    child.on("close", (code) => reject(new Error(`the process ended with ${code} after saying: ${said}`)));
  });
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  process.kill(child.pid!, "SIGKILL");
  await closed;
}
