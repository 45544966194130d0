import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { startGateway } from "../machine/gateway.ts";
import { makeJournal } from "./journal.ts";

/*
 * Measures how long a gateway takes from its start until it is ready, by what its journal holds: `node bench/start/main.ts [millions of messages …, default 0 and 1]`.
 * The journal was written a moment ago, so the operating system has it in memory. CPU time is what the machine's other work does not change.
 */
const rounds = 3;

for (const millions of process.argv.length > 2 ? process.argv.slice(2).map(Number) : [0, 1]) {
  const folder = mkdtempSync(join(tmpdir(), "busbar-start-"));
  try {
    const file = join(folder, "busbar.db");
    const messages = Math.round(millions * 1e6);
    await makeJournal({ file, messages, since: Date.now() - messages * 2 - 60_000 });
    const plugins = { "storage-sqlite": { file: "busbar.db", journal: { size: "64GiB", maxSize: "128GiB" } }, "auth-jwt": { keyFile: "signing.key", roles: {} }, "tcp-protobuf": { port: 0 } };
    writeFileSync(join(folder, "busbar.json"), JSON.stringify({ plugins, gateway: { log: { level: "error" } } }));
    for (const runtime of ["node", "deno"] as const) {
      for (let round = 0; round < rounds; round++) {
        const gateway = await startGateway(runtime, folder);
        const [cpu, memory] = [gateway.cpu(), gateway.memory().now];
        await gateway.stop();
        process.stdout.write(`${runtime} ${millions} million messages (${Math.round(statSync(file).size / 2 ** 20)} MiB): ready after ${gateway.seconds.toFixed(2)} s, CPU ${cpu.toFixed(2)} s, ${memory.toFixed(0)} MiB, load average ${loadavg()[0]!.toFixed(1)}\n`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
