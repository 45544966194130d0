import { join } from "node:path";
import { startChild } from "../machine/child.ts";
import { nodeProgram } from "../machine/runtimes.ts";
import type { Target } from "./target.ts";

/** Which hand-written program, and how it is printed. */
const programs = {
  gateway: { name: "bare", args: ["gateway.ts"] },
  values: { name: "bare-values", args: ["gateway.ts", "--values"] },
  "fan-out": { name: "bare", args: ["fan-out.ts"] },
} as const;

/** The hand-written Node program of `bench/bare/` for `job`, speaking Busbar's wires. */
export function bare(job: keyof typeof programs): Target {
  const [file, ...args] = programs[job].args;
  return {
    name: programs[job].name,
    missing: () => undefined,
    async start(cpu) {
      const child = startChild([nodeProgram, join(import.meta.dirname, "..", "bare", file), ...args], { cpu });
      const ports = JSON.parse(await child.output(/^ready (.+)$/m));
      return {
        pid: child.pid,
        publish: { wire: "busbar-tcp", port: ports.tcp },
        subscribe: { wire: "busbar-ws", port: ports.ws },
        stop: child.stop,
      };
    },
  };
}
