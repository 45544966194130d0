import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { planCpus } from "../machine/cpus.ts";
import { commands } from "../machine/gateway.ts";
import type { PlantReport } from "./watch.ts";

/*
 * A whole plant through one gateway: `node bench/plant/main.ts [--minutes 10] [--runtime node|deno] [--slow modbus|opcua|none] [--fast modbus|opcua|none]`.
 * "slow" is 10,000 tags each second, "fast" 1,000 tags each 100 ms. The simulated plant runs in a process of its own on another CPU, always on Node. Says how many samples came and how many are missing, by the time that
 * each says of itself, and how late the gateway's event loop is.
 */
const { values: options } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, runtime: { type: "string", default: "node" }, slow: { type: "string", default: "opcua" }, fast: { type: "string", default: "modbus" } },
});
const runtime = options.runtime === "deno" ? "deno" : "node";
const minutes = Number(options.minutes);
const ports = { slow: { modbus: 15_020, opcua: 14_840, inner: 14_842 }, fast: { modbus: 15_021, opcua: 14_841, inner: 14_843 } };
const loads = { slow: { period: 1000, machines: 100 }, fast: { period: 100, machines: 10 } };

const folder = mkdtempSync(join(tmpdir(), "busbar-plant-"));
const cpus = planCpus();
const children: ChildProcess[] = [];
try {
  const wanted = (["slow", "fast"] as const).map((load) => ({ load, protocol: options[load] })).filter(({ protocol }) => protocol !== "none");
  const plant = Object.fromEntries(wanted.map(({ load, protocol }) => [load, plantSection(load, protocol)]));
  const readers = Object.fromEntries(wanted.map(({ load, protocol }) => [`read-${load}`, readerSection(load, protocol)]));
  const watch = { use: join(import.meta.dirname, "watch.ts"), duration: `${minutes}m`, report: "report.json", periods: Object.fromEntries(wanted.map(({ load }) => [load, loads[load].period])) };
  start("plant", plant, { runtime: "node", cpu: cpus.generator });
  await sleep(3000);
  const gateway = start("gateway", { ...readers, watch }, { runtime, cpu: cpus.server });
  const file = join(folder, "gateway", "report.json");
  const before = cpuSeconds(gateway.pid!);
  for (const began = performance.now(); !existsSync(file); await sleep(1000)) {
    if (gateway.exitCode !== null) throw new Error("the gateway has ended");
    if (performance.now() - began > (minutes + 2) * 60_000) throw new Error("there is no report: nothing came of the plant");
  }
  await sleep(200);
  const report = JSON.parse(readFileSync(file, "utf8")) as PlantReport;
  const used = (100 * (cpuSeconds(gateway.pid!) - before)) / (report.seconds + 20);
  const rss = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${gateway.pid}/status`, "latin1"))![1]) / 1024;
  const { tags, samples, missed, silent, notGood, lag, seconds } = report;
  process.stdout.write(
    `${runtime}: ${wanted.map(({ load, protocol }) => `${load} over ${protocol}`).join(", ")}: ${tags} tags, ${samples} samples in ${seconds.toFixed(0)} s (${(samples / seconds).toFixed(0)}/s), missed ${missed}, silent ${silent}, not good ${notGood}; ` +
      `event loop late p50 ${lag.p50.toFixed(2)}, p99 ${lag.p99.toFixed(2)}, at most ${lag.max.toFixed(1)} ms; ${used.toFixed(0)} % of a CPU, ${rss.toFixed(0)} MiB; load average ${loadavg()[0]!.toFixed(1)}\n`,
  );
} finally {
  for (const child of children) child.kill("SIGTERM");
  await Promise.all(children.map((child) => (child.exitCode === null ? new Promise((resolve) => child.once("close", resolve)) : undefined)));
  rmSync(folder, { recursive: true, force: true });
}

/** The simulated side of a load. */
function plantSection(load: "slow" | "fast", protocol: string): object {
  const { period, machines } = loads[load];
  const at = ports[load];
  const opcua = protocol === "opcua" ? { port: at.opcua, innerPort: at.inner, pki: `pki-${load}` } : { enabled: false };
  const fleet = { units: machines, ports: [at.modbus], blocks: [{ table: "input-register", count: 100, type: "uint16", pattern: { kind: "counter", rate: 1000 / period } }] };
  const tags = Array.from({ length: 100 }, (_, at) => ({ name: `t${at}`, range: [0, 1_000_000_000], signal: { kind: "counter", rate: 1000 + at } })); // other at each step: a value that stays is not reported
  const plant = protocol === "opcua" ? { machines: Array.from({ length: machines }, (_, at) => ({ id: `m${at + 1}`, tags })) } : {};
  return { use: "opcua-sim", bus: false, plant, period: `${period}ms`, opcua, modbus: protocol === "modbus" ? { port: 0, fleet } : { enabled: false } };
}

/** What reads it: each tag once in each period. */
function readerSection(load: "slow" | "fast", protocol: string): object {
  const { period, machines } = loads[load];
  const at = ports[load];
  if (protocol === "modbus") {
    const points = Array.from({ length: 100 }, (_, address) => ({ tag: `t${address}`, table: "input", address }));
    return { use: "modbus", host: "127.0.0.1", port: at.modbus, devices: [{ id: `${load}/{unit}`, units: `1-${machines}`, period: `${period}ms`, points }] };
  }
  return {
    use: "opcua", url: `opc.tcp://127.0.0.1:${at.opcua}`, security: { policy: "None" }, pki: `pki-${load}`, history: { enabled: false, folder: "opcua" },
    folders: [{ under: "/Objects/1:Plant", device: `${load}/{1}`, tag: "{2..}", limit: 20_000, sampling: 0, queue: 20 }],
    subscription: { publish: `${Math.min(500, period)}ms` },
  };
}

function start(name: string, plugins: object, { runtime: on, cpu }: { readonly runtime: "node" | "deno"; readonly cpu: number | undefined }): ChildProcess {
  const own = join(folder, name);
  const [command, ...words] = commands[on];
  mkdirSync(own);
  writeFileSync(join(own, "busbar.json"), JSON.stringify({ plugins, gateway: { log: { level: "warn" } } }));
  const line = [command!, ...words, "start"];
  const [program, ...args] = cpu === undefined ? line : ["taskset", "-c", String(cpu), ...line];
  const child = spawn(program!, args, { cwd: own, stdio: ["ignore", "ignore", "inherit"] });
  children.push(child);
  return child;
}

/** Seconds of CPU that all threads of a process have used: utime and stime of proc(5), in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
