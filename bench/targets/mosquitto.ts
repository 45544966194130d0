import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startChild } from "../machine/child.ts";
import { freePort } from "../../core/testkit/free-port.ts";
import type { Target } from "./target.ts";

/** Debian puts it where a user's PATH does not reach. */
const candidates = ["mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
const program = candidates.find((name) => spawnSync(name, ["-h"]).error === undefined);

/** Eclipse Mosquitto in memory, without authentication; its limits on queued and unacknowledged messages are off, so that it drops nothing. */
export const mosquitto: Target = {
  name: "mosquitto",
  missing: () => (program === undefined ? "the program mosquitto" : undefined),
  async start(cpu) {
    const folder = await mkdtemp(join(tmpdir(), "busbar-bench-"));
    const port = await freePort();
    const config = join(folder, "mosquitto.conf");
    const lines = [
      `listener ${port} 127.0.0.1`,
      "allow_anonymous true",
      "persistence false",
      "max_inflight_messages 0",
      "max_queued_messages 0",
      "set_tcp_nodelay true",
      // Started by root it would become another user, who may not read the folder.
      ...(process.getuid?.() === 0 ? ["user root"] : []),
    ];
    await writeFile(config, `${lines.join("\n")}\n`);
    const child = startChild([program ?? "mosquitto", "-c", config], { cpu });
    await child.output(/version \S+ (running)/);
    return {
      pid: child.pid,
      publish: { wire: "mqtt", port },
      subscribe: { wire: "mqtt", port },
      async stop() {
        await child.stop();
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
};
