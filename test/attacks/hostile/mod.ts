import { spawn } from "node:child_process";
import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { definePlugin, optional, SessionsPort, type PluginContext } from "@busbar/core";
import * as v from "valibot";

/*
 * A plugin that means harm: what it tries when it is told to, on `order/…`, it says on `report/…`.
 */

const config = v.strictObject({ allowed: v.optional(v.string(), "127.0.0.1:9"), mayRead: v.optional(v.string()), atStart: v.optional(v.string()) });
type Context = PluginContext<v.InferOutput<typeof config>, { readonly sessions: { readonly optional: typeof SessionsPort } }>;

/** Tries something; says what came of it. */
type Attempt = (argument: string, ctx: Context) => unknown;

const memory: unknown[] = [];

const attempts: Readonly<Record<string, Attempt>> = {
  read: (path) => readFileSync(path, "utf8").slice(0, 100),
  write: (path) => writeFileSync(path, "x"),
  env: (name) => process.env[name] ?? "absent",
  connect: (address) =>
    new Promise((resolve, reject) => {
      const [host, port] = address.split(":");
      const socket = connect(Number(port), host);
      socket.on("connect", () => resolve("connected"));
      socket.on("error", reject);
    }),
  spawn: (program) =>
    new Promise((resolve, reject) => {
      const child = spawn(program, [], { stdio: "ignore" });
      child.on("error", reject);
      child.on("exit", () => resolve("it ran"));
    }),
  thread: (path) =>
    new Promise((resolve, reject) => {
      const source = `import { readFileSync } from "node:fs"; import { parentPort } from "node:worker_threads"; let said; try { said = "read " + readFileSync(${JSON.stringify(path)}, "utf8").length; } catch (error) { said = "refused"; } parentPort.postMessage(said);`;
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { execArgv: [] });
      worker.on("message", (said: string) => (said === "refused" ? reject(new Error(said)) : resolve(said)));
      worker.on("error", reject);
    }),
  "kill-gateway": () => process.kill(process.ppid, "SIGTERM"),
  forge: (from, ctx) => ctx.bus.publish({ type: "status", from, payload: { forged: true } }),
  "forge-durably": (from, ctx) => ctx.bus.deliver({ type: "status", from, payload: { forged: true } }),
  "forge-audit": (_argument, ctx) => ctx.bus.publish({ type: "audit", payload: { forged: true } }),
  "forge-metric": (name, ctx) => (ctx.metrics.counter(name, "forged").value += 1_000_000),
  "open-session": (role, ctx) =>
    new Promise((resolve) => {
      ctx.needs.sessions!.open(
        { remote: "127.0.0.1:1", kind: "tcp", send: () => {}, buffered: () => 0, pause: () => {}, resume: () => {}, close: (code) => resolve(`closed with ${code}`) },
        { codec: { decode: () => [], encode: () => undefined, encodeMessage: () => undefined }, trusted: { roles: [role] }, principal: { id: "admin", roles: ["admin"], groups: [] } },
      );
    }),
  act: (id, ctx) => ctx.bus.as({ id, roles: ["admin"], groups: [] }),
  flood(count, ctx) {
    for (let at = 0; at < Number(count); at++) ctx.bus.publish({ type: "flood", payload: at });
  },
  huge: (mebibytes, ctx) => ctx.bus.publish({ type: "huge", payload: new Uint8Array(Number(mebibytes) * 1024 ** 2) }),
  raw: (hex) => sayRaw(Buffer.from(hex, "hex")),
  "raw-flood"(count) {
    const head = Buffer.from('["publish"]');
    const message = Buffer.concat([Buffer.from(Uint32Array.of(head.length, 0).buffer), head]);
    const batch = Buffer.concat(Array.from({ length: 100 }, () => message));
    for (let at = 0; at < Number(count); at += 100) sayRaw(batch);
  },
  throw: () => void setTimeout(() => {
    throw new Error("thrown out of nowhere");
  }, 1),
  reject: () => void Promise.reject(new Error("rejected out of nowhere")),
  exit: () => process.exit(3),
  spin() {
    for (;;) Math.random();
  },
  eat() {
    for (;;) memory.push(new Array(10_000).fill(Math.random()));
  },
  "eat-bytes": async () => {
    for (;;) {
      memory.push(new Uint8Array(16 * 1024 ** 2).fill(1));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  },
};

/** Past everything that would check or count it: what a plugin finds when it looks where the border is. */
function sayRaw(batch: Buffer): void {
  const scope = globalThis as unknown as { readonly postMessage?: (message: unknown) => void };
  if (scope.postMessage) return scope.postMessage(Uint8Array.from(batch).buffer);
  const framed = Buffer.concat([Buffer.from(Uint32Array.of(batch.length).buffer), batch]);
  for (let at = 0; at < framed.length; ) {
    try {
      at += writeSync(3, framed, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

/** The plugin that means harm. */
export default definePlugin({
  name: "hostile",
  description: "Means harm",
  config,
  needs: { sessions: optional(SessionsPort) },
  setup(ctx) {
    const attempt = async (what: string, argument: string): Promise<void> => {
      let said: string;
      try {
        said = `done: ${String(await attempts[what]!(argument, ctx))}`;
      } catch (error) {
        said = `refused: ${error instanceof Error ? error.message : String(error)}`;
      }
      ctx.bus.publish({ type: "report", payload: { what, said } });
    };
    ctx.bus.subscribe("order/#", ({ payload }) => {
      const { what, argument = "" } = payload as { readonly what: string; readonly argument?: string };
      void attempt(what, argument);
    });
    if (ctx.config.atStart) void attempt(ctx.config.atStart, "");
  },
});
