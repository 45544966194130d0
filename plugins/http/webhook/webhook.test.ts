import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { errorCode } from "@busbar/core";
import { testPlugin, type TestGateway } from "@busbar/core/testkit";
import { storageSqlite } from "@busbar/storage-sqlite";
import * as v from "valibot";
import { webhookConfig } from "./config.ts";
import { webhook } from "./mod.ts";
import { answer, hang, reset, scriptedServer } from "./testing/scripted-server.ts";
import { assertOnceInOrder, deliver, msgids, numbers, settled, startWebhook as start } from "./testing/webhook-gateway.ts";

test("webhook sends what the journal holds and what comes, in order, over one connection", async () => {
  await using server = await scriptedServer();
  await using gateway = await start(server, { batch: { count: 50, linger: 0 } });
  await deliver(gateway.bus, 500);
  await server.until(() => numbers(server.taken).length === 500);
  assertOnceInOrder(server.taken, 500);
  assert.ok(server.requests.every(({ messages }) => messages.length <= 50));
  assert.equal(server.connections, 1);
  await settled(() => gateway.metric("busbar_webhook_messages_total") === 500);
  assert.equal(gateway.metric('busbar_webhook_requests_total{status="2xx"}'), server.requests.length);
  assert.deepEqual(gateway.urls, [server.url]);
});

test("webhook waits for a batch to fill, as long as it may", async () => {
  await using server = await scriptedServer();
  await using gateway = await start(server, { batch: { count: 100, linger: 300 } });
  for (let at = 0; at < 10; at++) await deliver(gateway.bus, 1, { from: at });
  await server.until(() => numbers(server.taken).length === 10);
  assert.equal(server.requests.length, 1);
});

test("webhook sends a batch again, with the same key, until the server takes it: 500, 429, 503, a broken and a missing answer", async () => {
  await using server = await scriptedServer();
  server.script = [answer(500), answer(429, { "retry-after": "0" }), answer(503, { "retry-after": new Date(Date.now() - 1000).toUTCString() }), reset, hang, answer(502, {}, "<html>")];
  await using gateway = await start(server, { timeout: 200 });
  await deliver(gateway.bus, 5);
  await server.until(() => numbers(server.taken).length === 5);
  assertOnceInOrder(server.taken, 5);
  const first = server.requests.slice(0, 7);
  assert.equal(new Set(first.map(({ headers }) => headers["idempotency-key"])).size, 1);
  assert.equal(gateway.metric('busbar_webhook_requests_total{status="timeout"}'), 1);
  assert.equal(gateway.metric('busbar_webhook_requests_total{status="5xx"}'), 3);
});

test("webhook obeys Retry-After up to its own limit", async () => {
  await using server = await scriptedServer();
  const times: number[] = [];
  server.otherwise = (request, response, incoming) => {
    times.push(performance.now());
    answer(200)(request, response, incoming);
  };
  server.script = [(request, response, incoming) => (times.push(performance.now()), answer(429, { "retry-after": "1" })(request, response, incoming)), (request, response, incoming) => (times.push(performance.now()), answer(503, { "retry-after": "3600" })(request, response, incoming))];
  await using gateway = await start(server, { maxRetryAfter: 1500 });
  await deliver(gateway.bus, 1);
  await server.until(() => server.taken.length === 1);
  assert.ok(times[1]! - times[0]! >= 990, `${times[1]! - times[0]!} ms`);
  assert.ok(times[2]! - times[1]! >= 1490, `${times[2]! - times[1]!} ms`);
});

test("webhook does not send again what the server took of a batch that failed later", async () => {
  await using server = await scriptedServer();
  let failures = 2;
  server.otherwise = (request, response, incoming) => {
    const ids = msgids([request]);
    if (ids.length > 10) answer(413)(request, response, incoming);
    else if (ids.includes("status-35") && failures-- > 0) answer(500)(request, response, incoming);
    else answer(200)(request, response, incoming);
  };
  await using gateway = await start(server, { batch: { count: 40, linger: 300 } });
  await deliver(gateway.bus, 40);
  await server.until(() => numbers(server.taken).length >= 40);
  assertOnceInOrder(server.taken, 40);
});

test("webhook keeps everything when the address or the token is wrong, and follows no redirect", async () => {
  for (const status of [401, 404, 302]) {
    await using server = await scriptedServer();
    server.otherwise = answer(status, { location: "http://127.0.0.1:1/elsewhere" });
    await using gateway = await start(server);
    const letters: unknown[] = [];
    gateway.bus.subscribe("dead-letter/#", (message) => void letters.push(message.payload));
    await deliver(gateway.bus, 3);
    await server.until(() => server.requests.length >= 1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.requests.length, 1, "it is tried again only after a long pause");
    assert.deepEqual(letters, []);
    assert.equal(gateway.metric("busbar_webhook_messages_total"), 0);
  }
});

test("webhook signs, compresses, sends its headers, and tells none of its secrets to the log", async () => {
  await using server = await scriptedServer();
  const secret = "0123456789abcdef-secret";
  server.script = [answer(500)];
  await using gateway = await start(server, { secret, compress: "gzip", headers: { authorization: "Bearer very-secret-token" }, method: "PUT" });
  await deliver(gateway.bus, 4);
  await server.until(() => numbers(server.taken).length === 4);
  for (const { headers, body } of server.taken) {
    assert.equal(headers["authorization"], "Bearer very-secret-token");
    const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers["x-busbar-signature"]!)!;
    assert.equal(signature, createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex"));
    assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 60);
  }
  const log = JSON.stringify(gateway.log);
  assert.ok(!log.includes("very-secret") && !log.includes(secret));
});

test("webhook sends alarm events before commands before the rest, and what waited after what is new, flagged late", async () => {
  await using server = await scriptedServer();
  server.otherwise = answer(500);
  await using gateway = await start(server, { allowWrites: true, topics: ["status/#", "event/#", "command/#"], overtake: 300, batch: { count: 20, linger: 0 }, pace: 0 });
  await deliver(gateway.bus, 100);
  await server.until(() => server.requests.length >= 4);
  await deliver(gateway.bus, 5, { type: "command" });
  await deliver(gateway.bus, 5, { type: "event" });
  server.otherwise = answer(200);
  await server.until(() => server.taken.length > 0);
  await deliver(gateway.bus, 30, { from: 100 });
  await server.until(() => numbers(server.taken).length === 140);
  const lanes = server.taken.map(({ lane }) => lane);
  assert.deepEqual([...new Set(lanes)], ["alarm", "command", ...lanes.filter((lane) => lane === "live" || lane === "backfill").filter((lane, at, all) => all.indexOf(lane) === at)]);
  const late = server.taken.filter((request) => request.late).flatMap(({ messages }) => messages);
  assert.ok(late.length > 0 && late.every((message) => message.late === true));
  for (const lane of ["live", "backfill"]) {
    const offsets = server.taken.filter((request) => request.lane === lane).flatMap(({ messages }) => messages.map(({ offset }) => offset));
    assert.deepEqual(offsets, [...offsets].sort((a, b) => a - b), `${lane} is in order`);
  }
  assert.equal(new Set(msgids(server.taken)).size, 140);
});

test("webhook goes on after a restart where it was: nothing is lost, and only the request that was under way may come twice", async (context: TestContext) => {
  const cwd = await mkdtemp(join(tmpdir(), "busbar-webhook-"));
  context.after(() => rm(cwd, { recursive: true, force: true }));
  await using server = await scriptedServer();
  const open = (): Promise<TestGateway> => testPlugin(webhook, { url: server.url, batch: { count: 7, linger: 0 } }, { cwd, plugins: { storage: [storageSqlite, {}] } });
  let sent = 0;
  for (let round = 0; round < 4; round++) {
    if (round === 1) server.script = [hang];
    await using gateway = await open();
    const before = server.requests.length;
    await deliver(gateway.bus, 50, { from: sent });
    sent += 50;
    await server.until(() => server.requests.length > before);
  }
  await using gateway = await open();
  await server.until(() => new Set(numbers(server.taken)).size === sent);
  const keys = new Set<string>();
  for (const { headers, messages } of server.taken) {
    const key = headers["idempotency-key"]!;
    if (keys.has(key)) continue;
    keys.add(key);
    assert.ok(messages.length > 0);
  }
  const first = [...new Map(server.taken.map((request) => [request.headers["idempotency-key"], request])).values()];
  assertOnceInOrder(first, sent);
  assert.equal(gateway.status().state, "running");
});

test("webhook refuses a config that would send tokens in the open", async () => {
  for (const url of ["http://erp.example/hook", "ftp://erp.example/", "erp.example", "https://user:pass@erp.example/"]) {
    await assert.rejects(testPlugin(webhook, { url }), (error: unknown) => errorCode(error) === "INTERNAL", url);
  }
  for (const config of [{ headers: { Host: "x" } }, { headers: { a: "line\nbreak" } }, { secret: "short" }, { topics: ["#x"] }]) await assert.rejects(testPlugin(webhook, { url: "https://erp.example/", ...config }));
});

test("webhook leaves commands out that only happen to match, unless allowWrites is true", async () => {
  await using server = await scriptedServer();
  server.otherwise = answer(500);
  await using gateway = await start(server, { topics: ["#"], batch: { count: 20, linger: 0 } });
  await deliver(gateway.bus, 3, { type: "command" });
  await deliver(gateway.bus, 5);
  await server.until(() => server.requests.length >= 2); // a repeated batch is not counted again
  server.otherwise = answer(200);
  await server.until(() => numbers(server.taken).length >= 5);
  assert.ok(server.taken.every(({ body }) => !body.includes('"command"')));
  assert.equal(gateway.metric('busbar_writes_refused_total{instance="subject"}'), 3);
  assert.match(JSON.stringify(v.safeParse(webhookConfig, { url: "https://a.example", topics: ["command/#"] }).issues?.map(({ message }) => message)), /allowWrites: true/);
});
