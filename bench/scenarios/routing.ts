import { join } from "node:path";
import { startChild } from "../machine/child.ts";
import { nodeProgram } from "../machine/runtimes.ts";
import type { Scenario } from "./scenario.ts";

const program = join(import.meta.dirname, "..", "routing", "main.ts");

/** What more subscriptions cost each message, on the bus alone: no sockets, no codecs. */
export const routing: Scenario = {
  name: "routing",
  title: "routing: publish on the bus in process (Node), 1,000 topics, one receiver each, among 10 and among 10,000 subscriptions",
  metrics: [
    { name: "among 10", unit: "ns", better: "less" },
    { name: "among 10,000", unit: "ns", better: "less" },
    { name: "cost", unit: "x", better: "less" },
  ],
  goals: [{ id: "P8", metric: "cost", limit: 1.2 }],
  // In process means this process's runtime: when Busbar on Deno is the subject, the one on Node is named.
  targets: (subject) => [subject.reference ?? subject.live],
  async measure(_target, context) {
    const child = startChild([nodeProgram, program, context.effort.brief ? "20000" : "200000"], { cpu: context.serverCpu });
    try {
      const { few, many, ratio } = JSON.parse(await child.output(/^result (.+)$/m));
      return { "among 10": few, "among 10,000": many, cost: ratio };
    } finally {
      await child.stop();
    }
  },
};
