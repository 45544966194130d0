import { aedes } from "../targets/aedes.ts";
import { bare } from "../targets/bare.ts";
import { mosquitto } from "../targets/mosquitto.ts";
import { references, withTarget } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";
import { measureTraffic, onePerWrite } from "./traffic.ts";

/** Open loop, 50 publishers, one subscriber, one message per write. */
export const latency: Scenario = {
  name: "latency",
  title: "latency from the intended send time: open loop at 5,000/s and at half the subject's maximum (one rate for all)",
  metrics: [
    { name: "p50 5,000/s", unit: "µs", better: "less" },
    { name: "p99 5,000/s", unit: "µs", better: "less" },
    { name: "p50 half", unit: "µs", better: "less" },
    { name: "p99 half", unit: "µs", better: "less" },
    { name: "half", unit: "/s", better: "more" },
  ],
  goals: [
    { id: "P6", metric: "p50 5,000/s", against: "bare", limit: 1.3 },
    { id: "P6", metric: "p99 5,000/s", against: "bare", limit: 1.5 },
    { id: "P6", metric: "p50 half", against: "bare", limit: 1.3 },
    { id: "P6", metric: "p99 half", against: "bare", limit: 1.5 },
  ],
  targets: (subject, effort) => [subject.live, ...references(subject), bare("gateway"), ...(effort.brief ? [] : [mosquitto, aedes])],
  measure: (target, context) =>
    withTarget(target, context, async (running) => {
      // The first target is the subject: what it can do at most says what half is, for everyone.
      context.halfRate ??= Math.round((await measureTraffic(running, onePerWrite, context)).perSecond / 2);
      const slow = await measureTraffic(running, { ...onePerWrite, rate: 5000 }, context);
      const sample = { "p50 5,000/s": slow.p50, "p99 5,000/s": slow.p99 };
      // Half of what the subject can do is more than an MQTT peer can: an open loop would only measure how its backlog grows.
      if (running.publish.wire === "mqtt") return sample;
      const half = await measureTraffic(running, { ...onePerWrite, rate: context.halfRate }, context);
      return { ...sample, "p50 half": half.p50, "p99 half": half.p99, half: half.perSecond };
    }),
};
