import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CheckedInstance } from "../../config/checked.ts";
import { diffConfig } from "../../config/diff.ts";
import { loadConfig } from "../../config/load.ts";
import { formatProblem } from "../../config/problem.ts";
import type { Envelope } from "../../envelope.ts";
import { testPlugin, type TestGateway } from "../../testkit/test-plugin.ts";
import { until } from "../../testkit/until.ts";

const folder = join(import.meta.dirname, "testing");

/** What a config with this section makes of it, and what is wrong. */
async function load(use: string, section: object = {}): Promise<{ readonly instance: CheckedInstance | undefined; readonly problems: readonly string[] }> {
  const place = await mkdtemp(join(tmpdir(), "busbar-isolate-"));
  try {
    const file = join(place, "busbar.json");
    await writeFile(file, JSON.stringify({ plugins: { subject: { use, isolate: true, ...section } } }));
    const { config, problems } = await loadConfig(file);
    return { instance: config?.instances[0], problems: problems.map((one) => formatProblem(one).replace(place, "")) };
  } finally {
    await rm(place, { recursive: true });
  }
}

async function start(name: string, section: object = {}, options: Parameters<typeof testPlugin>[2] = {}): Promise<TestGateway & { readonly heard: Envelope[] }> {
  const { instance, problems } = await load(join(folder, name), section);
  assert.ok(instance, problems.join("\n"));
  const gateway = await testPlugin(instance.plugin, instance.config, options);
  const heard: Envelope[] = [];
  gateway.bus.subscribe("#", (message) => void heard.push(message));
  return Object.assign(gateway, { heard });
}

test("a plugin in an isolate has everything of its context: config, bus, log, metrics, routes, cleanups", async () => {
  await using gateway = await start("many-verbs.ts", { word: "hi", pause: "ab" });
  const { bus, heard } = gateway;
  const said = (what: string): Promise<Envelope> => until(what, () => heard.findLast(({ from }) => from === `subject/${what}`));
  const ask = async (what: string, argument?: unknown): Promise<unknown> => {
    bus.publish({ type: "ask", payload: { what, argument } });
    return (await said(what)).payload;
  };
  assert.deepEqual(await ask("config"), { word: "hi", pause: 2 });
  assert.deepEqual([...((await ask("bytes")) as Uint8Array)], [0, 255, 1]);
  const receipt = (await ask("deliver", { deep: [1] })) as { readonly offset: number; readonly duplicate: boolean };
  assert.ok(receipt.offset > 0 && !receipt.duplicate);
  assert.deepEqual((await until("note", () => heard.find(({ type }) => type === "note"))).payload, { deep: [1] });
  bus.subscribe("command/lamp/#", ({ msgid, from }) => void bus.publish({ type: "ack", from: "lamp", to: from, payload: { msgid, status: "ok", result: 5 } }));
  assert.equal(((await ask("request", { on: true })) as { readonly status: string }).status, "ok");
  assert.match(String(await ask("give-up")), /Error$/);
  assert.equal(await ask("bad"), "BAD_FRAME");
  bus.publish({ type: "ask", payload: { what: "log", argument: 3 } });
  assert.deepEqual((await until("line", () => gateway.log.find(({ message }) => message === "a line of the log"))).fields, { plugin: "subject", argument: 3 });
  assert.deepEqual(gateway.urls, ["none://here"]);
  await until("counter", () => gateway.metric('busbar_verbs_total{of="test"}') === 7);
  assert.equal(gateway.metric("busbar_verbs_open"), 7);
  await gateway.stop();
  assert.ok(heard.some(({ from }) => from === "subject/stopping"), "its cleanups ran");
});

test("a durable reader in an isolate gets batches in order, takes them, and refuses for good", async () => {
  await using gateway = await start("many-verbs.ts");
  for (const payload of [1, "bad", 3]) await gateway.bus.deliver({ type: "item", payload });
  const taken = (): readonly unknown[] => gateway.heard.filter(({ from }) => from === "subject/batch").flatMap(({ payload }) => (payload as { readonly values: readonly unknown[] }).values);
  await until("batches", () => taken().length >= 3);
  assert.deepEqual([...new Set(taken())], [1, "bad", 3]);
  await until("dead letter", () => gateway.metric('busbar_dead_letters_total{reader="subject/main"}') === 1);
});

test("a slow handler in an isolate is not run over: every message comes, one at a time, in order", async () => {
  await using gateway = await start("many-verbs.ts");
  for (let at = 0; at < 2000; at++) gateway.bus.publish({ type: "slow", payload: at });
  const slow = (): readonly unknown[] => gateway.heard.filter(({ from }) => from === "subject/slow").map(({ payload }) => payload);
  await until("last message", () => slow().length === 2000);
  assert.deepEqual(slow(), slow().map((_value, at) => at));
});

test("a plugin in an isolate that gives up is started anew, and its reader goes on where it was", async () => {
  await using gateway = await start("many-verbs.ts");
  await gateway.bus.deliver({ type: "item", payload: "before" });
  await until("batch", () => gateway.heard.some(({ from }) => from === "subject/batch"));
  gateway.bus.publish({ type: "ask", payload: { what: "fail" } });
  await gateway.bus.deliver({ type: "item", payload: "after" });
  await until("restart", () => gateway.status().restarts === 1 && gateway.status().state === "running");
  await until("rest", () => gateway.heard.some(({ from, payload }) => from === "subject/batch" && (payload as { readonly values: readonly unknown[] }).values.includes("after")));
  assert.equal(gateway.metric('busbar_isolate_restarts_total{instance="subject",reason="crash"}'), 1);
});

/** A device of `line-devices`. */
async function device(gateway: TestGateway): Promise<{ readonly socket: Socket; lines(): readonly string[]; say(line: string): void }> {
  const socket = connect(Number(new URL(gateway.status().addresses[0]!.url.replace("tcp:", "http:")).port), "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => {});
  await once(socket, "connect");
  return { socket, lines: () => text.split("\n").slice(0, -1), say: (line) => void socket.write(line + "\n") };
}

test("devices of an adapter in an isolate: bytes in, acknowledged when the journal has them; commands out, and their answers", async () => {
  await using gateway = await start("line-devices/mod.ts");
  const lamp = await device(gateway);
  lamp.say("lamp 1");
  await until("acknowledgement", () => lamp.lines().includes("ok m1"));
  assert.deepEqual(gateway.heard.filter(({ type }) => type === "status").map(({ topic, payload }) => [topic, payload]), [["status/lamp", { value: 1 }]]);
  const answer = gateway.bus.request({ type: "command", to: "lamp", payload: { on: true }, qos: 1 }, { signal: AbortSignal.timeout(20_000) });
  const line = await until("command", () => lamp.lines().find((one) => one.startsWith("do ")));
  const [, msgid, payload] = line.split(" ");
  assert.deepEqual(JSON.parse(payload!), { on: true });
  lamp.say(`! ${msgid}`);
  assert.equal(((await answer).payload as { readonly status: string }).status, "ok");
  for (let at = 2; at <= 3000; at++) lamp.say(`lamp ${at}`);
  await until("last acknowledgement", () => lamp.lines().at(-1) === "ok m3000");
  assert.deepEqual(gateway.heard.filter(({ type }) => type === "status").map((message) => (message.payload as { readonly value: number }).value), Array.from({ length: 3000 }, (_one, at) => at + 1));
  lamp.say("?? nothing");
  await once(lamp.socket, "close");
});

test("devices of an adapter whose isolate crashes lose their connection, are gone for the gateway, and come back", async () => {
  await using gateway = await start("line-devices/mod.ts", { port: 0 });
  const lamp = await device(gateway);
  lamp.say("lamp 1");
  await until("acknowledgement", () => lamp.lines().includes("ok m1"));
  assert.equal(gateway.metric("busbar_sessions"), 1);
  const closed = once(lamp.socket, "close");
  lamp.say("exit now");
  await closed;
  await until("end of the session", () => gateway.metric("busbar_sessions") === 0);
  await until("restart", () => gateway.status().restarts === 1 && gateway.status().state === "running");
  const again = await device(gateway);
  again.say("lamp 2");
  await until("acknowledgement after the restart", () => again.lines().includes("ok m2"));
  assert.equal(gateway.metric("busbar_ledger_imbalance"), 0);
  again.socket.destroy();
});

test("a config says at once what cannot be isolated, and why", async () => {
  const cases: readonly (readonly [use: string, section: object, problem: RegExp])[] = [
    ["storage-sqlite", {}, /subject\.isolate: cannot be: it provides the port "\w+" to others, which does not cross/],
    ["websocket", {}, /subject\.isolate: cannot be: it needs the port "http"/],
    [join(folder, "many-verbs.ts"), { word: 5 }, /plugins\.subject\.word: must be text, not 5/],
    [join(folder, "many-verbs.ts"), { wrod: "x" }, /wrod: unknown key; did you mean "word"\? allowed: word, pause, use, required, isolate/],
    [join(folder, "many-verbs.ts"), { isolate: { memory: "1KiB" } }, /subject\.isolate/],
    [join(folder, "many-verbs.ts"), { isolate: "yes" }, /subject\.isolate/],
    ["nothing-of-that-name", {}, /no plugin "nothing-of-that-name" is installed/],
    [join(folder, "../batch.ts"), {}, /default export is none/],
  ];
  for (const [use, section, problem] of cases) {
    const { instance, problems } = await load(use, section);
    assert.equal(instance, undefined, use);
    assert.match(problems.join("\n"), problem);
  }
});

test("a reload leaves an isolate alone whose section has not changed", async () => {
  const [first, same, other] = await Promise.all([load(join(folder, "many-verbs.ts")), load(join(folder, "many-verbs.ts")), load(join(folder, "many-verbs.ts"), { isolate: { stall: "6s" } })]);
  const config = (one: typeof first) => ({ instances: [{ ...one.instance!, package: first.instance!.package }], routes: [], gateway: {} as never });
  assert.deepEqual(diffConfig(config(first), config(same)).changed, []);
  assert.deepEqual(diffConfig(config(first), config(other)).changed, ["subject"]);
});

