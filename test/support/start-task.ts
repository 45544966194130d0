import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freePort } from "@busbar/core/testkit";
import { parseDocument } from "yaml";
import { denoProgram } from "./deno-program.ts";

const root = join(import.meta.dirname, "..", "..");
const config = "examples/default/busbar.yaml";

/** The options that the task `start` of deno.json gives to `deno run` for the gateway itself. */
export async function startFlags(): Promise<readonly string[]> {
  const { tasks } = JSON.parse(await readFile(join(root, "deno.json"), "utf8")) as { readonly tasks: { readonly start: string } };
  const [, flags] = /&& deno run (.*) cli\/main\.ts start examples\/default\/busbar\.yaml$/.exec(tasks.start) ?? [];
  if (flags === undefined) throw new Error(`Cannot read the task "start" of deno.json: it is ${tasks.start}`);
  return flags.split(" ");
}

/** A gateway that runs as the task `start` does. */
export interface StartedTask extends AsyncDisposable {
  /** By name, where what it announced can be reached. */
  readonly urls: ReadonlyMap<string, string>;
  /** Everything it wrote. */
  output(): string;
}

/**
 * Runs the default config with the given options of `deno run`, in which its ports stand for free ones and `data` for a folder of its own: nothing else is changed.
 * @throws when it ends before it listens, with what it wrote.
 */
export async function runStartTask(flags: readonly string[]): Promise<StartedTask> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-task-"));
  const inner = await freePort();
  const document = parseDocument(await readFile(join(root, config), "utf8"));
  for (const path of [["http", "port"], ["tcp-protobuf", "port"], ["plant", "opcua", "port"], ["plant", "modbus", "port"]]) document.setIn(["plugins", ...path], 0);
  document.setIn(["plugins", "plant", "opcua", "innerPort"], inner);
  document.setIn(["plugins", "plant", "opcua", "pki"], join(folder, "data", "pki"));
  document.setIn(["plugins", "storage-sqlite", "file"], join(folder, "data", "busbar.db"));
  document.setIn(["plugins", "auth-jwt", "keyFile"], join(folder, "data", "signing.key"));
  document.setIn(["plugins", "auth-jwt", "registerFile"], join(folder, "data", "identities.jsonl"));
  for (const [field, name] of [["folder", "audit"], ["keyFile", "audit.key"], ["headFile", "audit.head"]] as const) document.setIn(["plugins", "audit-file", field], join(folder, "data", name));
  const file = join(folder, "busbar.yaml");
  await writeFile(file, document.toString());
  const renamed = flags.map((flag) => renameFlag(flag, { file, data: join(folder, "data"), inner }));
  const child = spawn(denoProgram(), ["run", ...renamed, "cli/main.ts", "start", "--json", file], { cwd: root, env: { ...process.env, NO_COLOR: "1" }, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, "SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { text, line } = await firstLine(child);
    const { plugins } = JSON.parse(line) as { readonly plugins: readonly { readonly addresses: readonly { readonly what: string; readonly url: string }[] }[] };
    return { urls: new Map(plugins.flatMap(({ addresses }) => addresses.map(({ what, url }) => [what, url] as const))), output: () => text.join(""), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function renameFlag(flag: string, to: { readonly file: string; readonly data: string; readonly inner: number }): string {
  const [name, values] = flag.split("=");
  if (values === undefined) return flag;
  const renamed = values.split(",").map((value) => {
    if (name === "--allow-net") return value === "127.0.0.1:4841" ? `127.0.0.1:${to.inner}` : value.replace(/:\d+$/, ":0");
    return value === config ? to.file : value === "data" ? to.data : value;
  });
  return `${name}=${renamed.join(",")}`;
}

function firstLine(child: ChildProcess): Promise<{ readonly text: readonly string[]; readonly line: string }> {
  const text: string[] = [];
  return new Promise((resolve, reject) => {
    const onText = (chunk: string): void => {
      text.push(chunk);
      const line = /^\{"plugins".*\}$/m.exec(text.join(""))?.[0];
      if (line !== undefined) resolve({ text, line });
    };
    for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding("utf8").on("data", onText);
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`the gateway ended with ${code}: ${text.join("")}`)));
  });
}

