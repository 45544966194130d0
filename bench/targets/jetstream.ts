import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { startChild } from "../machine/child.ts";
import { freePort } from "../../core/testkit/free-port.ts";
import type { Target } from "./target.ts";

/** Debian puts it where a user's PATH does not reach. */
const candidates = ["nats-server", "/usr/sbin/nats-server", "/usr/local/bin/nats-server"];
const program = candidates.find((name) => spawnSync(name, ["--version"]).error === undefined);
/** Beside Busbar's own data: both write to the same disk. */
const dataRoot = join(import.meta.dirname, "..", "..", ".cache");

/** NATS JetStream with a stream in files, as installed: written before it is acknowledged, fsynced every two minutes. No authentication. */
export const jetstream: Target = {
  name: "jetstream",
  missing: () => (program === undefined ? "the program nats-server" : undefined),
  async start(cpu) {
    await mkdir(dataRoot, { recursive: true });
    const folder = await mkdtemp(join(dataRoot, "bench-"));
    const port = await freePort();
    const child = startChild([program ?? "nats-server", "-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder], { cpu });
    await child.output(/Server is (ready)/);
    return {
      pid: child.pid,
      publish: { wire: "nats", port },
      subscribe: { wire: "nats", port },
      async stop() {
        await child.stop();
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
};
