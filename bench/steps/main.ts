import { createKernel, createLog, defaultSettings, systemClock, type CheckedStep, type Draft } from "@busbar/core";
import edge from "@busbar/edge";
import process from "node:process";
import * as v from "valibot";
import { median } from "../report.ts";

/*
 * What the steps of edge cost: one route over one device that sends all its tags in each message, values a slow wave, of which a deadband of 1 lets few pass. Prints nanoseconds of CPU time per reading, the median of five runs,
 * beside the same route without steps: `node bench/steps/main.ts [tags, default 1000] [messages, default 2000]`.
 */
const tags = Number(process.argv[2] ?? 1000);
const messages = Number(process.argv[3] ?? 2000);
const rounds = 5;

const cases: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>> = {
  "no step": [],
  "tags: {prefix: plc/}": [{ tags: { prefix: "plc/" } }],
  "deadband: {absolute: 1}": [{ deadband: { absolute: 1 } }],
  "deadband: {absolute: 1, heartbeat: 1m}": [{ deadband: { absolute: 1, heartbeat: "1m" } }],
  "where: value > 50": [{ where: "value > 50" }],
  "convert: {scale: 1.8, offset: 32}": [{ convert: { scale: 1.8, offset: 32 } }],
  "swinging-door: {deviation: 1}": [{ "swinging-door": { deviation: 1 } }],
  "rate: {keep: false}": [{ rate: { keep: false } }],
  "windows: {size: 1s}": [{ windows: { size: "1s", lateness: 0 } }],
  "windows: {size: 1s, aggregates: [p95, integral]}": [{ windows: { size: "1s", lateness: 0, aggregates: ["p95", "integral"] } }],
  "alarms: high and low of every tag": [{ alarms: { tags: Object.fromEntries(Array.from({ length: tags }, (_, tag) => [`t${tag}`, { high: 89, low: 11, hysteresis: 5 }])), chattering: { count: 0 } } }],
  "anomaly: {zScore, rate}": [{ anomaly: { zScore: {}, rate: { rise: 1e6, fall: 1e6 } } }],
  "map: {each: value * 1.8 + 32}": [{ map: { each: "value * 1.8 + 32" } }],
};

for (const [name, steps] of Object.entries(cases)) {
  const samples: number[] = [];
  for (let round = 0; round <= rounds; round++) samples.push(await run(steps.map(toStep)));
  process.stdout.write(`${name}: ${median(samples.slice(1)).toFixed(0)} ns of CPU per reading, ${(1e3 / median(samples.slice(1))).toFixed(2)} million readings a second and core\n`);
}

function toStep(written: Readonly<Record<string, unknown>>): CheckedStep {
  const [[name, config]] = Object.entries(written) as [[string, unknown]];
  const definition = edge.steps![name]!;
  return { name, definition, config: v.parse(definition.config, config), owner: "edge" };
}

async function run(steps: readonly CheckedStep[]): Promise<number> {
  const log = createLog({ level: "error", clock: systemClock, write: ({ message }) => void process.stderr.write(`${message}\n`) });
  const kernel = createKernel({ config: { instances: [], routes: [{ name: "bench", from: "status/+", steps, to: { kind: "topic", template: "event/out" }, source: {} }], gateway: defaultSettings }, log });
  await kernel.start();
  let heard = 0;
  kernel.bus.subscribe("event/out", () => void heard++);
  const names = Array.from({ length: tags }, (_, tag) => `t${tag}`);
  const start = Date.now();
  const drafts: Draft[] = Array.from({ length: messages }, (_, at) => ({ type: "status", from: "plc", msgid: `m-${at}`, timestamp: start + at, payload: { values: names.map((tag, n) => ({ tag, value: 50 + 40 * Math.sin(at / 300 + n) })) } }));
  const before = process.cpuUsage();
  for (const draft of drafts) kernel.bus.publish(draft);
  const { user, system } = process.cpuUsage(before);
  const ns = ((user + system) * 1e3) / (messages * tags);
  await kernel.stop();
  if (heard === 0) throw new Error("Cannot trust the run: nothing came out of the route");
  return ns;
}
