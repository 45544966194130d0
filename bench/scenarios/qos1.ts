import { aedes } from "../targets/aedes.ts";
import { jetstream } from "../targets/jetstream.ts";
import { mosquitto } from "../targets/mosquitto.ts";
import { withTarget } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";
import { measureTraffic, onePerWrite, pipelined } from "./traffic.ts";

/** As fan-in, but every message is acknowledged to its publisher, and every delivery by the subscriber. */
export const qos1: Scenario = {
  name: "qos1",
  title: "qos 1: 50 publishers -> 1 subscriber, acknowledged both ways (Busbar: after an fsynced commit; JetStream: in a file, fsynced later; MQTT peers: in memory)",
  metrics: [
    { name: "pipelined", unit: "/s", better: "more" },
    { name: "one per write", unit: "/s", better: "more" },
    { name: "cpu pipelined", unit: "µs", better: "less" },
    { name: "cpu one per write", unit: "µs", better: "less" },
    { name: "rss", unit: "MiB", better: "less" },
    { name: "load", unit: "%", better: "more" },
  ],
  goals: [
    { id: "P4", metric: "pipelined", against: "mosquitto", limit: 1 },
    { id: "P4", metric: "one per write", against: "mosquitto", limit: 1 },
    { id: "P4", metric: "pipelined", against: "jetstream", limit: 0.5 },
    { id: "P4", metric: "one per write", against: "jetstream", limit: 0.5 },
  ],
  targets: (subject, effort) => [subject.durable, mosquitto, ...(effort.brief ? [] : [jetstream]), aedes],
  measure: (target, context) =>
    withTarget(target, context, async (running) => {
      const many = await measureTraffic(running, { ...pipelined, qos: 1 }, context);
      const single = await measureTraffic(running, { ...onePerWrite, qos: 1 }, context);
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
