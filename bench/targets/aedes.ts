import { existsSync } from "node:fs";
import { join } from "node:path";
import { startChild } from "../machine/child.ts";
import { nodeProgram } from "../machine/runtimes.ts";
import type { Target } from "./target.ts";

const packageJson = join(import.meta.dirname, "..", "..", "node_modules", "aedes", "package.json");

/** The aedes MQTT broker, the usual one in Node, without authentication and in memory. */
export const aedes: Target = {
  name: "aedes",
  missing: () => (existsSync(packageJson) ? undefined : "the npm package aedes"),
  async start(cpu) {
    const child = startChild([nodeProgram, join(import.meta.dirname, "..", "peers", "aedes.ts")], { cpu });
    const { mqtt: port } = JSON.parse(await child.output(/^ready (.+)$/m));
    return { pid: child.pid, publish: { wire: "mqtt", port }, subscribe: { wire: "mqtt", port }, stop: child.stop };
  },
};
