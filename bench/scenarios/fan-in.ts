import { aedes } from "../targets/aedes.ts";
import { bare } from "../targets/bare.ts";
import { mosquitto } from "../targets/mosquitto.ts";
import { references, withTarget } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";
import { measureTraffic, onePerWrite, pipelined } from "./traffic.ts";

/** 50 publishers, one subscriber, as fast as it goes without loss. */
export const fanIn: Scenario = {
  name: "fan-in",
  title: "fan-in: 50 TCP publishers -> 1 WebSocket subscriber, qos 0 (MQTT peers: 50 -> 1 over MQTT)",
  metrics: [
    { name: "pipelined", unit: "/s", better: "more" },
    { name: "one per write", unit: "/s", better: "more" },
    { name: "cpu pipelined", unit: "µs", better: "less" },
    { name: "cpu one per write", unit: "µs", better: "less" },
    { name: "rss", unit: "MiB", better: "less" },
    { name: "load", unit: "%", better: "more" },
  ],
  goals: [
    { id: "P1", metric: "pipelined", against: "bare", limit: 0.75 },
    { id: "P1", metric: "one per write", against: "bare", limit: 0.85 },
    { id: "P1", metric: "pipelined", against: "bare-values", limit: 0.75 },
    { id: "P1", metric: "one per write", against: "bare-values", limit: 0.85 },
    { id: "P2", metric: "pipelined", against: "mosquitto", limit: 2.5 },
    { id: "P2", metric: "pipelined", against: "aedes", limit: 4.5 },
    // Only on Deno is there another Busbar to divide by.
    { id: "P3", metric: "pipelined", against: "busbar", limit: 0.6 },
    { id: "P3", metric: "one per write", against: "busbar", limit: 0.6 },
  ],
  targets: (subject, effort) => [subject.live, ...references(subject), bare("gateway"), ...(effort.brief ? [] : [bare("values")]), mosquitto, aedes],
  measure: (target, context) =>
    withTarget(target, context, async (running) => {
      const many = await measureTraffic(running, pipelined, context);
      const single = await measureTraffic(running, onePerWrite, context);
      return {
        pipelined: many.perSecond,
        "one per write": single.perSecond,
        "cpu pipelined": many.cpuUs,
        "cpu one per write": single.cpuUs,
        rss: single.rssMib,
        load: Math.min(single.serverLoad, many.serverLoad) * 100,
      };
    }),
};
