import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openFolder, runBusbar, smallConfig, startBusbar, startGateway } from "../testing/busbar.ts";

const storedConfig = smallConfig.replace("plugins:\n", "plugins:\n  storage-sqlite: { file: data/busbar.db }\n");
const routedConfig = `${smallConfig}routes:\n  - from: status/#\n    steps: [{ filter: { field: temperature, above: 24 } }]\n    to: event/hot/{id}\n`;

/** The lines of a recording behind its header. */
async function linesOf(path: string): Promise<Record<string, unknown>[]> {
  const [header, ...lines] = (await readFile(path, "utf8")).trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(header!["busbar"], "recording");
  return lines;
}

/** Sends readings of two sensors over HTTP, with sender, payload and qos as given. */
async function send(cwd: string, url: string, messages: readonly (readonly [from: string, payload: object, type?: string])[]): Promise<void> {
  const tokens = new Map<string, string>();
  for (const [from, payload, type = "status"] of messages) {
    if (!tokens.has(from)) tokens.set(from, (await runBusbar(["token", from, "--role", "admin", "--user"], { cwd })).stdout.trim());
    const response = await fetch(new URL("/api/messages", url), {
      method: "POST",
      headers: { authorization: `Bearer ${tokens.get(from)}`, "content-type": "application/json" },
      body: JSON.stringify({ type, from, payload, qos: 1, msgid: crypto.randomUUID() }),
    });
    assert.equal(response.status, 200, await response.text());
  }
}

test("busbar record writes what passes without secrets, and busbar replay plays it into another gateway", async () => {
  await using folder = await openFolder({ "busbar.yaml": storedConfig });
  const { path: cwd } = folder;
  const file = join(cwd, "day.jsonl");
  {
    await using gateway = await startGateway(cwd);
    const ws = ["--url", gateway.urls.get("WebSocket")!];
    const http = gateway.urls.get("HTTP API")!;
    await send(cwd, http, [["sensor-1", { temperature: 20, wifi: { password: "hunter2-very-secret" } }]]);
    const recorder = startBusbar(["record", "#", "--out", file, "--since", "0", "--count", "6", ...ws], { cwd });
    await send(cwd, http, [["sensor-2", { temperature: 25 }], ["sensor-1", { temperature: 26 }], ["sensor-2", { temperature: 27 }], ["sensor-1", { on: true }, "command"], ["sensor-1", { temperature: 28 }]]);
    const { code, stderr } = await recorder.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^recorded 6 messages to /m);
  }
  const lines = await linesOf(file);
  assert.deepEqual(lines.map(({ from, type }) => `${String(type)} ${String(from)}`), ["status sensor-1", "status sensor-2", "status sensor-1", "status sensor-2", "command sensor-1", "status sensor-1"]);
  assert.deepEqual(lines[0]!["payload"], { temperature: 20, wifi: { password: "[redacted]" } });
  assert.ok(!(await readFile(file, "utf8")).includes("hunter2"));

  await using other = await openFolder({ "busbar.yaml": smallConfig });
  await using gateway = await startGateway(other.path);
  const ws = ["--url", gateway.urls.get("WebSocket")!];
  const dry = await runBusbar(["replay", file, "--dry-run", "--json"], { cwd: other.path });
  assert.deepEqual((({ sent, skipped, topics }) => ({ sent, skipped, topics }))(JSON.parse(dry.stdout) as Record<string, unknown>), { sent: 5, skipped: 1, topics: { "status/sensor-1": 3, "status/sensor-2": 2 } });
  const { code, stdout, stderr } = await runBusbar(["replay", file, "--speed", "100", "--json", ...ws], { cwd: other.path });
  assert.equal(code, 0, stderr);
  assert.deepEqual((({ sent, acknowledged, refused }) => ({ sent, acknowledged, refused }))(JSON.parse(stdout) as Record<string, unknown>), { sent: 5, acknowledged: 5, refused: {} });
  const tap = await runBusbar(["tap", "status/#", "--since", "0", "--count", "5", "--json", ...ws], { cwd: other.path });
  const came = tap.stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as { from: string; payload: object });
  for (const sensor of ["sensor-1", "sensor-2"]) {
    assert.deepEqual(came.filter(({ from }) => from === sensor).map(({ payload }) => payload), lines.filter(({ from, type }) => from === sensor && type === "status").map(({ payload }) => payload), sensor);
  }
});

test("busbar record goes on without a gap when the gateway comes back, and notes when it was away", async () => {
  await using folder = await openFolder({ "busbar.yaml": storedConfig });
  const { path: cwd } = folder;
  const file = join(cwd, "day.jsonl.gz");
  const first = await startGateway(cwd);
  const url = first.urls.get("WebSocket")!;
  const recorder = startBusbar(["record", "status/#", "--out", file, "--since", "0", "--count", "6", "--url", url], { cwd });
  await send(cwd, first.urls.get("HTTP API")!, [["a", { n: 1 }], ["a", { n: 2 }], ["a", { n: 3 }]]);
  await recorder.said(/^recording /m, "stderr");
  await first[Symbol.asyncDispose]();
  await recorder.said(/trying again/, "stderr");
  await writeFile(join(cwd, "busbar.yaml"), storedConfig.replace("http: { port: 0 }", `http: { port: ${new URL(url).port} }`));
  await using second = await startGateway(cwd);
  await send(cwd, second.urls.get("HTTP API")!, [["a", { n: 4 }], ["a", { n: 5 }], ["a", { n: 6 }]]);
  const { code, stderr } = await recorder.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /recorded 6 messages, with 1 gaps to/);
  const out = join(cwd, "plain.jsonl");
  const copied = await runBusbar(["replay", file, "--out", out], { cwd });
  assert.equal(copied.code, 0, copied.stderr);
  assert.match(copied.stderr, /the recorder was not connected from/);
  assert.deepEqual((await linesOf(out)).map(({ payload }) => payload), [1, 2, 3, 4, 5, 6].map((n) => ({ n })));
});

test("busbar record goes on with the oldest there is when the gateway comes back with another journal, and notes it", async () => {
  await using folder = await openFolder({ "busbar.yaml": storedConfig });
  const { path: cwd } = folder;
  const first = await startGateway(cwd);
  const url = first.urls.get("WebSocket")!;
  await send(cwd, first.urls.get("HTTP API")!, [["a", { n: 1 }], ["a", { n: 2 }], ["a", { n: 3 }]]);
  const recorder = startBusbar(["record", "status/#", "--since", "0", "--count", "5", "--url", url], { cwd });
  await recorder.said(/"n":3/);
  await first[Symbol.asyncDispose]();
  await recorder.said(/trying again/, "stderr");
  for (const file of ["busbar.db", "busbar.db-ack"]) await rm(join(cwd, "data", file));
  await writeFile(join(cwd, "busbar.yaml"), storedConfig.replace("http: { port: 0 }", `http: { port: ${new URL(url).port} }`));
  await using second = await startGateway(cwd);
  await send(cwd, second.urls.get("HTTP API")!, [["a", { n: 4 }], ["a", { n: 5 }]]);
  const { code, stdout, stderr } = await recorder.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /UNKNOWN_OFFSET/);
  assert.equal(stderr.match(/trying again/g)!.length <= 3, true, stderr);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as { payload?: { n: number }; gap?: { oldest?: number } });
  assert.deepEqual(lines.flatMap(({ payload }) => payload ?? []), [1, 2, 3, 4, 5].map((n) => ({ n })));
  assert.deepEqual(lines.flatMap(({ gap }) => gap?.oldest ?? []), [1]);
});

test("busbar replay --journal plays the file of a gateway, stopped or not, and leaves it as it is", async () => {
  await using folder = await openFolder({ "busbar.yaml": storedConfig });
  const { path: cwd } = folder;
  const database = join(cwd, "data/busbar.db");
  const sent = Array.from({ length: 10 }, (_, n): readonly [string, object] => [`s-${n % 2}`, { n }]);
  {
    await using gateway = await startGateway(cwd);
    await send(cwd, gateway.urls.get("HTTP API")!, sent);
    const live = await runBusbar(["replay", "--journal", database, "--only", "status/#", "--out", join(cwd, "live.jsonl")], { cwd });
    assert.equal(live.code, 0, live.stderr);
    assert.deepEqual((await linesOf(join(cwd, "live.jsonl"))).map(({ payload }) => payload), sent.map(([, payload]) => payload));
  }
  const before = await readFile(database);
  const out = join(cwd, "stopped.jsonl");
  const stopped = await runBusbar(["replay", "--journal", database, "--only", "status/s-1", "--out", out], { cwd });
  assert.equal(stopped.code, 0, stopped.stderr);
  const lines = await linesOf(out);
  assert.deepEqual(lines.map(({ payload }) => payload), sent.filter(([from]) => from === "s-1").map(([, payload]) => payload));
  assert.ok(lines.every(({ received, offset }) => typeof received === "number" && typeof offset === "number"));
  const tail = await runBusbar(["replay", "--journal", database, "--only", "status/#", "--from", `#${String(lines.at(-1)!["offset"])}`, "--dry-run", "--json"], { cwd });
  assert.equal((JSON.parse(tail.stdout) as { sent: number }).sent, 1);
  assert.deepEqual(await readFile(database), before);
  assert.equal((await runBusbar(["replay", "--journal", join(cwd, "none.db"), "--dry-run"], { cwd })).code, 74);
});

test("busbar replay --run plays into a config under test, and --expect tells what differs", async () => {
  await using folder = await openFolder({ "busbar.yaml": routedConfig });
  const { path: cwd } = folder;
  const line = (at: number, temperature: number): string => JSON.stringify({ ver: "1.0", msgid: `m${at}`, timestamp: 1_750_000_000_000 + at, from: "oven", to: "server", type: "status", payload: { temperature }, qos: at % 2, retain: false });
  const header = '{"busbar":"recording","version":1,"started":1,"pattern":"#","source":"test"}';
  await writeFile(join(cwd, "in.jsonl"), [header, line(0, 20), line(50, 25), line(60, 30), line(1000, 22)].join("\n") + "\n");
  const first = await runBusbar(["replay", "in.jsonl", "--run", "busbar.yaml", "--without", "tcp-protobuf", "--speed", "100", "--out", "out.jsonl", "--json"], { cwd });
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /^running busbar.yaml with auth-jwt, http, websocket$/m);
  assert.deepEqual((JSON.parse(first.stdout) as { out: unknown }).out, { "event/hot/oven": 2 });
  assert.deepEqual((await linesOf(join(cwd, "out.jsonl"))).map(({ payload }) => payload), [{ temperature: 25 }, { temperature: 30 }]);
  const same = await runBusbar(["replay", "in.jsonl", "--run", "busbar.yaml", "--speed", "max", "--expect", "out.jsonl"], { cwd });
  assert.equal(same.code, 0, same.stderr + same.stdout);
  await writeFile(join(cwd, "busbar.yaml"), routedConfig.replace("above: 24", "above: 26"));
  const differs = await runBusbar(["replay", "in.jsonl", "--run", "busbar.yaml", "--speed", "max", "--expect", "out.jsonl"], { cwd });
  assert.equal(differs.code, 1);
  assert.match(differs.stdout, /^differs  event\/hot\/oven: message 1 is \{"temperature":30\}, expected \{"temperature":25\}$/m);
});

test("busbar replay says what is wrong with its command line, its file, its token", async () => {
  await using folder = await openFolder({ "busbar.yaml": smallConfig, "no.jsonl": "{}\n" });
  const { path: cwd } = folder;
  const codes = async (...words: string[]): Promise<number | null> => (await runBusbar(["replay", ...words], { cwd })).code;
  assert.equal(await codes(), 64);
  assert.equal(await codes("a", "--journal", "b"), 64);
  assert.equal(await codes("a", "--speed", "0.05"), 64);
  assert.equal(await codes("a", "--speed", "101"), 64);
  assert.equal(await codes("a", "--from", "yesterday"), 64);
  assert.equal(await codes("a", "--expect", "b"), 64);
  assert.equal(await codes("no.jsonl", "--dry-run"), 78);
  assert.equal(await codes("missing.jsonl", "--dry-run"), 74);
});
