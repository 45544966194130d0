import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { formatProblem, loadConfig } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import { startTarget, type IsolationTarget } from "./isolation-target.ts";

const onDeno = process.versions["deno"] !== undefined;
const denoOnly = { skip: onDeno ? false : "Node cannot withhold it, and docs/010-isolation.md says so" };

const restarts = (target: IsolationTarget, reason: string): number => target.metric(`busbar_isolate_restarts_total{instance="hostile",reason="${reason}"}`);
const state = ({ kernel }: IsolationTarget): string | undefined => kernel.gateway.plugins().find(({ id }) => id === "hostile")?.state;

test("a plugin that reads what its manifest does not name is refused: /etc/passwd, the signing key, the kernel's own code outside", async () => {
  await using target = await startTarget();
  const key = join(target.folder, "signing.key");
  await writeFile(key, "very secret");
  for (const path of ["/etc/passwd", key, "/proc/self/environ"]) assert.match(await target.order("read", path), /^refused/, path);
});

test("a plugin reads what its manifest names", async () => {
  const config = { mayRead: "given.txt" };
  await using target = await startTarget(config);
  await writeFile(join(target.folder, "given.txt"), "given");
  assert.equal(await target.order("read", join(target.folder, "given.txt")), "done: given");
});

test("a plugin that writes what its manifest does not name is refused", async () => {
  await using target = await startTarget({ mayRead: "given.txt" });
  for (const path of [join(target.folder, "given.txt"), join(target.folder, "new.txt")]) {
    assert.match(await target.order("write", path), /^refused/, path);
    assert.ok(!existsSync(path));
  }
});

test("a plugin that looks for a secret in the environment finds what its manifest names, and no more", async () => {
  Object.assign(process.env, { BUSBAR_HOSTILE_SECRET: "very secret", BUSBAR_HOSTILE_ALLOWED: "allowed" });
  await using target = await startTarget();
  assert.doesNotMatch(await target.order("env", "BUSBAR_HOSTILE_SECRET"), /very secret/);
  assert.equal(await target.order("env", "BUSBAR_HOSTILE_ALLOWED"), "done: allowed");
});

test("a plugin that connects to what its manifest does not name is refused", denoOnly, async () => {
  const server = createServer((socket) => void socket.destroy()).listen(0, "127.0.0.1");
  const other = createServer((socket) => void socket.destroy()).listen(0, "127.0.0.1");
  await Promise.all([once(server, "listening"), once(other, "listening")]);
  const address = (of: typeof server): string => `127.0.0.1:${(of.address() as AddressInfo).port}`;
  try {
    await using target = await startTarget({ allowed: address(server) });
    assert.equal(await target.order("connect", address(server)), "done: connected");
    assert.match(await target.order("connect", address(other)), /^refused/);
  } finally {
    server.close();
    other.close();
  }
});

test("a plugin that starts a program, such as a fork bomb, is refused", async () => {
  await using target = await startTarget();
  assert.match(await target.order("spawn", "true"), /^refused/);
});

test("a plugin that starts a thread to shed its permissions is refused, or the thread has no more than it has", async () => {
  await using target = await startTarget();
  assert.match(await target.order("thread", "/etc/passwd"), /^refused/);
});

test("a plugin that ends the process it came from is refused", denoOnly, async () => {
  await using target = await startTarget();
  assert.match(await target.order("kill-gateway"), /^refused/);
});

test("a plugin whose module attacks when it is loaded does not get to while the config is checked", async () => {
  await using target = await startTarget();
  const loot = join(target.folder, "loot.txt");
  const valibot = JSON.stringify(import.meta.resolve("valibot"));
  await writeFile(join(target.folder, "thief.mjs"), `import * as v from ${valibot};\nimport { writeFileSync } from "node:fs";\nglobalThis.busbarStolen = true;\ntry { writeFileSync(${JSON.stringify(loot)}, "x"); } catch {}\nexport default { name: "thief", description: "Steals", config: v.strictObject({}), setup() {} };\n`);
  const file = join(target.folder, "thief.json");
  await writeFile(file, JSON.stringify({ plugins: { thief: { use: "./thief.mjs", isolate: true } } }));
  const { problems } = await loadConfig(file);
  assert.ok(!existsSync(loot) && !("busbarStolen" in globalThis), problems.map(formatProblem).join("\n"));
});

test("a plugin that speaks in another's name is refused, at qos 0 and 1, and nobody hears it", async () => {
  await using target = await startTarget();
  for (const from of ["boiler-1", "gateway", "server", "hostile2", "other/hostile"]) {
    await target.order("forge", from);
    assert.match(await target.order("forge-durably", from), /^refused/, from);
  }
  assert.equal(await target.order("forge", "hostile/part").then((said) => said.slice(0, 5)), "done:");
  await until("message in its own name", () => target.heard.some(({ from }) => from === "hostile/part"));
  assert.deepEqual([...new Set(target.heard.filter(({ type }) => type === "status").map(({ from }) => from))], ["hostile/part"]);
  assert.equal(target.metric('busbar_isolate_refused_total{instance="hostile"}'), 10);
});

test("a plugin that forges an entry of the audit log is refused", async () => {
  await using target = await startTarget();
  await target.order("forge-audit");
  await until("refusal", () => target.metric('busbar_isolate_refused_total{instance="hostile"}') === 1);
  assert.ok(!target.heard.some(({ type, payload }) => type === "audit" && "forged" in (payload as object)));
});

test("a plugin that acts as somebody with more rights is refused", async () => {
  await using target = await startTarget();
  assert.match(await target.order("act", "admin"), /^refused/);
});

test("a plugin that vouches for a peer with roles that its config does not name, or names its principal, is refused", async () => {
  await using target = await startTarget();
  assert.equal(await target.order("open-session", "admin"), "done: closed with 4403");
  assert.equal(target.metric("busbar_sessions"), 0);
});

test("a plugin that adds to the kernel's counters changes none", async () => {
  await using target = await startTarget();
  await target.order("forge-metric", 'busbar_received_total');
  await target.order("forge-metric", "busbar_hostile_total");
  await until("counter of its own", () => target.metric("busbar_hostile_total") === 1_000_000);
  assert.equal(target.metric("busbar_received_total"), 0);
  assert.equal(target.metric("busbar_ledger_imbalance"), 0);
});

test("a plugin that floods the bus is held up by the window: everything arrives in order, and the others get their turn", async () => {
  await using target = await startTarget();
  await target.order("flood", "20000");
  await until("end of the flood", () => target.heard.filter(({ type }) => type === "flood").length === 20_000);
  const values = target.heard.filter(({ type }) => type === "flood").map(({ payload }) => payload);
  assert.deepEqual(values, values.map((_value, at) => at));
  assert.equal(restarts(target, "malformed"), 0);
});

test("a plugin that goes around the window is ended, or held up, and the gateway lives", async () => {
  await using target = await startTarget();
  target.tell("raw-flood", "200000");
  await until("end of the isolate", () => restarts(target, "malformed") > 0);
  await until("restart", () => state(target) === "running");
  assert.equal(await target.order("env", "BUSBAR_NOT_SET").then((said) => said.length > 0), true);
});

test("a plugin that sends a message beyond every limit is ended", async () => {
  await using target = await startTarget({ isolate: { memory: "1GiB" } });
  target.tell("huge", "70");
  await until("end of the isolate", () => restarts(target, "malformed") > 0);
  await until("restart", () => state(target) === "running");
});

const garbage: readonly (readonly [what: string, hex: string])[] = [
  ["no lengths", "00"],
  ["a head that is longer than the batch", "ffffffff00000000"],
  ["a body that is longer than the batch", "02000000ffffffff5b5d"],
  ["a head that is no JSON", "03000000000000007b7b7b"],
  ["a head that names nothing", "02000000000000005b5d"],
  ["a word that nobody knows", Buffer.concat([Buffer.from(Uint32Array.of(8, 0).buffer), Buffer.from('["what"]')]).toString("hex")],
  ["a call without a number", Buffer.concat([Buffer.from(Uint32Array.of(11, 0).buffer), Buffer.from('["deliver"]')]).toString("hex")],
  ["a sign of life that says nothing", Buffer.concat([Buffer.from(Uint32Array.of(14, 0).buffer), Buffer.from('["beat",{"a":1}]'.slice(0, 14))]).toString("hex")],
  ["an envelope of rubbish", Buffer.concat([Buffer.from(Uint32Array.of(11, 3).buffer), Buffer.from('["publish"]'), Buffer.from("ffffff", "hex")]).toString("hex")],
  ["a session of nothing", Buffer.concat([Buffer.from(Uint32Array.of(18, 0).buffer), Buffer.from('["session-open",1]')]).toString("hex")],
];
for (const [what, hex] of garbage) {
  test(`a plugin that says ${what} across the border is ended and started anew`, async () => {
    await using target = await startTarget();
    target.tell("raw", hex);
    await until("end of the isolate", () => restarts(target, "malformed") === 1);
    await until("restart", () => state(target) === "running");
  });
}

for (const what of ["throw", "reject", "exit"]) {
  test(`a plugin that crashes (${what}) is started anew, and nothing else is`, async () => {
    await using target = await startTarget({ isolate: { stall: "2s" } });
    target.tell(what);
    await until("end of the isolate", () => restarts(target, "crash") + restarts(target, "stalled") === 1);
    await until("restart", () => state(target) === "running");
    assert.doesNotMatch(await target.order("env", "BUSBAR_NOT_SET"), /very/);
  });
}

test("a plugin that spins for ever is ended and started anew", async () => {
  await using target = await startTarget({ isolate: { stall: "1s" } });
  target.tell("spin");
  await until("end of the isolate", () => restarts(target, "stalled") === 1);
  await until("restart", () => state(target) === "running");
});

for (const what of ["eat", "eat-bytes"]) {
  test(`a plugin that takes memory without end (${what}) is ended and started anew`, async () => {
    await using target = await startTarget({ isolate: { memory: "64MiB", stall: "10s" } });
    target.tell(what);
    await until("end of the isolate", () => restarts(target, "memory") === 1);
    await until("restart", () => state(target) === "running");
  });
}
