import type { Endpoint, IdleResult } from "../generator/job.ts";
import { runJob } from "../machine/generator.ts";
import { aedes } from "../targets/aedes.ts";
import { bare } from "../targets/bare.ts";
import { mosquitto } from "../targets/mosquitto.ts";
import type { RunningTarget, Target } from "../targets/target.ts";
import { references, withTarget } from "./scenario.ts";
import type { Context, Scenario } from "./scenario.ts";

/** Ten thousand authenticated connections that each say something every ten seconds. */
export const idle: Scenario = {
  name: "idle",
  title: "idle: 10,000 connections, one message each per 10 s, one subscriber (MQTT peers: TCP columns)",
  metrics: [
    { name: "memory TCP", unit: "KiB", better: "less" },
    { name: "memory WebSocket", unit: "KiB", better: "less" },
    { name: "cpu TCP", unit: "%", better: "less" },
    { name: "cpu WebSocket", unit: "%", better: "less" },
    { name: "connected TCP", unit: "ms", better: "less" },
    { name: "connected WebSocket", unit: "ms", better: "less" },
  ],
  goals: [
    { id: "P7", metric: "memory TCP", limit: 4 },
    { id: "P7", metric: "memory WebSocket", limit: 10 },
    { id: "P7", metric: "cpu TCP", limit: 8 },
    { id: "P7", metric: "cpu WebSocket", limit: 8 },
    { id: "P7", metric: "connected TCP", limit: 3000 },
    { id: "P7", metric: "connected WebSocket", limit: 3000 },
  ],
  targets: (subject, effort) => [subject.live, ...references(subject), bare("gateway"), ...(effort.brief ? [] : [mosquitto, aedes])],
  async measure(target, context) {
    const tcp = await measureIdle(target, context, (running) => running.publish);
    const sample = { "memory TCP": tcp.kibPerConnection, "cpu TCP": tcp.cpu * 100, "connected TCP": tcp.connectedMs };
    // A peer that speaks the same wire on both sides has no WebSocket column.
    if (tcp.wire === "mqtt") return sample;
    const ws = await measureIdle(target, context, (running) => running.subscribe);
    return { ...sample, "memory WebSocket": ws.kibPerConnection, "cpu WebSocket": ws.cpu * 100, "connected WebSocket": ws.connectedMs };
  },
};

/** One measurement on a fresh server: memory that an earlier one freed would be used again and count as nothing. */
function measureIdle(
  target: Target,
  context: Context,
  endpoint: (running: RunningTarget) => Endpoint,
): Promise<IdleResult & { readonly wire: string }> {
  return withTarget(target, context, async (running) => {
    const { connections, idleMs } = context.effort;
    const publish = endpoint(running);
    const result = await runJob(
      { kind: "idle", pid: running.pid, publish, subscribe: running.subscribe, connections, periodMs: 10_000, measureMs: idleMs },
      context.generatorCpu,
    );
    if (result.lost !== 0) throw new Error(`Cannot trust the run: ${result.lost} of ${result.sent} messages were lost`);
    return { ...result, wire: publish.wire };
  });
}
