import { aedes } from "../targets/aedes.ts";
import { bare } from "../targets/bare.ts";
import { mosquitto } from "../targets/mosquitto.ts";
import { references, withTarget } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";
import { measureTraffic } from "./traffic.ts";

/** One publisher, a thousand subscribers; counts deliveries. */
export const fanOut: Scenario = {
  name: "fan-out",
  title: "fan-out: 1 TCP publisher -> 1,000 WebSocket subscribers, qos 0, deliveries",
  metrics: [
    { name: "one per write", unit: "/s", better: "more" },
    { name: "pipelined", unit: "/s", better: "more" },
    { name: "cpu one per write", unit: "µs", better: "less" },
    { name: "cpu pipelined", unit: "µs", better: "less" },
    { name: "rss", unit: "MiB", better: "less" },
    { name: "load", unit: "%", better: "more" },
  ],
  goals: [
    { id: "P5", metric: "one per write", against: "bare", limit: 0.85 },
    { id: "P5", metric: "pipelined", against: "bare", limit: 0.85 },
  ],
  targets: (subject, effort) => [subject.live, ...references(subject), bare("fan-out"), ...(effort.brief ? [] : [mosquitto, aedes])],
  measure: (target, context) =>
    withTarget(target, context, async (running) => {
      const shape = { publishers: 1, subscribers: context.effort.subscribers, qos: 0, rate: 0 } as const;
      const single = await measureTraffic(running, { ...shape, burst: 1, window: 8 }, context);
      const many = await measureTraffic(running, { ...shape, burst: 32, window: 64 }, context);
      return {
        "one per write": single.perSecond,
        pipelined: many.perSecond,
        "cpu one per write": single.cpuUs,
        "cpu pipelined": many.cpuUs,
        rss: many.rssMib,
        load: Math.min(single.serverLoad, many.serverLoad) * 100,
      };
    }),
};
