import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { configSchema, issueToken } from "@busbar/auth-jwt";
import * as v from "valibot";
import { startGateway } from "../machine/gateway.ts";
import { makeJournal } from "../start/journal.ts";
import { mosquitto } from "../targets/mosquitto.ts";

/*
 * Measures how fast the sinks of a gateway catch up: `node bench/catch-up/main.ts [messages, default 100000] [node or deno]`. All messages are there when it starts, too old to go first, so they are
 * backfill; each sink has them alone, at each pace, without and with new messages in its way, which go first. The webhook's server reads and forgets; the broker is Mosquitto. Rates are of the gateway's own counters.
 */
const messages = Number(process.argv[2] ?? 100_000);
const runtimes = process.argv[3] === undefined ? (["node", "deno"] as const) : [process.argv[3] as "node" | "deno"];
const auth = { keyFile: "signing.key", roles: { all: { publish: ["#"], subscribe: ["#"] } } };
const folder = mkdtempSync(join(tmpdir(), "busbar-catch-up-"));
const receiver = createServer((request, response) => request.resume().on("end", () => response.writeHead(200).end())).listen(0, "127.0.0.1");
await once(receiver, "listening");
const broker = mosquitto.missing() === undefined ? await mosquitto.start(undefined) : undefined;

const sinks: Readonly<Record<string, object>> = {
  webhook: { use: "http/webhook", url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`, topics: ["status/#"] },
  ...(broker && { mqtt: { url: `mqtt://127.0.0.1:${broker.publish.port}`, out: [{ topics: ["status/#"], format: "envelope" }] } }),
};

/** New messages of qos 1, 500 a second in requests of five, until it is stopped. */
function startLive(url: string, headers: Readonly<Record<string, string>>): () => Promise<void> {
  const open = new Set<Promise<unknown>>();
  let sent = 0;
  const timer = setInterval(() => {
    const body = JSON.stringify(Array.from({ length: 5 }, () => ({ type: "status", from: "bench/live", msgid: `live-${sent++}`, qos: 1, payload: { temperature: 42.5 } })));
    const request: Promise<unknown> = fetch(`${url}/api/messages`, { method: "POST", headers: { ...headers, "content-type": "application/json" }, body }).then((response) => response.text());
    open.add(request);
    void request.finally(() => open.delete(request));
  }, 10);
  return async () => {
    clearInterval(timer);
    await Promise.all(open);
  };
}

async function catchUp(runtime: "node" | "deno", sink: string, { pace, live }: { readonly pace: number; readonly live: boolean }): Promise<void> {
  const run = join(folder, "run");
  cpSync(join(folder, "made"), run, { recursive: true });
  const plugins = { "storage-sqlite": { file: "busbar.db" }, "auth-jwt": auth, http: { port: 0 }, [sink]: { ...sinks[sink], start: "oldest", pace } };
  writeFileSync(join(run, "busbar.json"), JSON.stringify({ plugins, gateway: { log: { level: "error" }, dedupeWindow: 1000 } }));
  const token = await issueToken(v.parse(configSchema, auth), { id: "bench", roles: ["all"], ttl: 3600, user: false }, { path: (file) => join(run, file) });
  const gateway = await startGateway(runtime, run);
  const url = gateway.urls.get("HTTP API")!;
  const headers = { authorization: `Bearer ${token}` };
  const delivered = async (): Promise<number> => Number(/^busbar_reader_delivered_total\{lane="backfill".*\} (\d+)$/m.exec(await (await fetch(`${url}/metrics`, { headers })).text())?.[1] ?? 0);
  const stopLive = live ? startLive(url, headers) : async () => {};
  const wanted = Math.floor(messages * 0.98);
  let [from, began, cpu, count] = [0, performance.now(), gateway.cpu(), 0];
  while ((count = await delivered()) < wanted) {
    if (from === 0) [from, began, cpu] = [count, performance.now(), gateway.cpu()];
    await sleep(50);
  }
  const seconds = (performance.now() - began) / 1000;
  const took = gateway.cpu() - cpu;
  const { most } = gateway.memory();
  await stopLive();
  await gateway.stop();
  rmSync(run, { recursive: true, force: true });
  process.stdout.write(`${runtime} ${sink} pace ${pace}${live ? ", 500 new messages/s" : ""}: ${Math.round((count - from) / seconds)} messages/s, CPU ${((took / (count - from)) * 1e6).toFixed(0)} µs each, at most ${most.toFixed(0)} MiB, load average ${loadavg()[0]!.toFixed(1)}\n`);
}

try {
  await makeJournal({ file: join(folder, "made", "busbar.db"), messages, since: Date.now() - messages * 2 - 600_000 });
  for (const runtime of runtimes) for (const sink of Object.keys(sinks)) for (const live of [false, true]) for (const pace of [5000, 0]) await catchUp(runtime, sink, { pace, live });
} finally {
  receiver.close();
  receiver.closeAllConnections();
  await broker?.stop();
  rmSync(folder, { recursive: true, force: true });
}
