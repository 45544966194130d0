import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "@busbar/core/testkit";
import { ClientError } from "./client-error.ts";
import { createClient } from "./client.ts";
import type { Envelope } from "./envelope.ts";
import { fileStore } from "./file-store.ts";
import { isSealed } from "./sealed.ts";
import { createSealingKey, publicKeyOf } from "./sealing/mod.ts";
import { openGateway } from "./testing/gateway.ts";
import { openClient, transports } from "./testing/transports.ts";

const key = "the message key of d-1, 32 bytes or more";
const messageKeys = { "d-1": [key] };
const sign = { key };
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const codeOf = (promise: Promise<unknown>): Promise<string> => promise.then(() => "resolved", (error: unknown) => (error instanceof ClientError ? error.code : String(error)));

for (const over of transports) {
  test(`a client that signs loses, doubles and reorders nothing over ${over} while connections are cut at random`, async () => {
    await using gateway = await openGateway({ messageKeys });
    await using client = openClient(gateway, { id: "d-1", over, sign });
    const done = numbers(1500).map((n) => client.publish({ type: "status", payload: { n, x: [0.1, -0, 1e21], s: "Zoë" } }));
    for (let cuts = 1; cuts <= 4; cuts++) {
      await until("messages are acknowledged", () => client.counts.acknowledged >= cuts * 250);
      gateway.cut();
    }
    await Promise.all(done);
    const seen = gateway.seen.filter(({ topic }) => topic === "status/d-1").map(({ payload }) => (payload as { readonly n: number }).n);
    assert.deepEqual(seen, numbers(1500));
    assert.deepEqual([client.counts.acknowledged, client.counts.dropped], [1500, 0]);
  });

  test(`a client that signs is heard over ${over} with what is a day old, with bytes, commands, from below its id and at qos 0`, async () => {
    await using gateway = await openGateway({ messageKeys });
    await using client = openClient(gateway, { id: "d-1", over, sign });
    const old = Date.now() - 86_400_000;
    await client.publish({ type: "status", payload: "old", timestamp: old });
    await client.publish({ type: "log", payload: new Uint8Array([0, 255]), from: "d-1/part", retain: true });
    await client.publish({ type: "command", payload: { on: true }, to: "lamp", expires: Date.now() + 60_000 });
    await client.publish({ type: "log", payload: null, qos: 0 });
    await until("all have come", () => gateway.seen.filter(({ type }) => type !== "nonce-seen").length >= 4);
    const seen = gateway.seen.filter(({ type }) => type !== "nonce-seen").map(({ topic, payload, retain }) => ({ topic, payload, retain }));
    assert.deepEqual(seen, [
      { topic: "status/d-1", payload: "old", retain: false }, { topic: "log/d-1/part", payload: new Uint8Array([0, 255]), retain: true },
      { topic: "command/lamp", payload: { on: true }, retain: false }, { topic: "log/d-1", payload: null, retain: false },
    ]);
  });

  test(`a client that signs leaves a last will over ${over} that is believed`, async () => {
    await using gateway = await openGateway({ messageKeys });
    const client = openClient(gateway, { id: "d-1", over, sign, will: { type: "status", payload: "gone", qos: 1 } });
    await client.connected;
    gateway.refuse(true);
    await until("the will was published", () => gateway.seen.some(({ payload }) => payload === "gone"));
    await client.close();
  });

  test(`a client without a signature, or with another key, is told over ${over} that its messages are refused`, async () => {
    await using gateway = await openGateway({ messageKeys });
    for (const options of [{}, { sign: { key: "another key of 32 bytes or even more" } }]) {
      await using client = openClient(gateway, { id: "d-1", over, ...options });
      assert.equal(await codeOf(client.publish({ type: "status", payload: 1 })), "FORBIDDEN");
    }
    assert.equal(gateway.seen.length, 0);
  });

  test(`sealed payloads go over ${over} to the readers that have a key, in order with others, live and from the past; the gateway has only the sealed form`, async () => {
    await using gateway = await openGateway();
    const [one, two] = [await createSealingKey(), await createSealingKey({ crv: "P-256" })];
    await using device = openClient(gateway, { id: "d-1", over });
    await using reader = openClient(gateway, { id: "reader", over, open: { keys: [one] } });
    const live: unknown[] = [];
    await reader.subscribe("status/#", ({ payload }) => void live.push(payload)).ready;
    const sent: unknown[] = [];
    for (let n = 0; n < 60; n++) {
      const payload = n % 3 === 2 ? new Uint8Array([n]) : { secret: n };
      sent.push(payload);
      void device.publish({ type: "status", payload, ...(n % 5 === 0 ? {} : { seal: { recipients: [one, two].map(publicKeyOf), ...(n % 2 === 0 ? { form: "binary" } : {}) } }) });
    }
    await until("all have come", () => live.length === 60);
    assert.deepEqual(live, sent);
    assert.equal(gateway.seen.filter(({ topic, payload }) => topic === "status/d-1" && isSealed(payload)).length, 48);
    const past: unknown[] = [];
    await using later = openClient(gateway, { id: "later", over });
    later.subscribe("status/#", ({ payload }) => void past.push(payload), { since: 0, open: { keys: [two] } });
    await until("the past has come", () => past.length === 60);
    assert.deepEqual(past, sent);
  });

  test(`a sealed payload that cannot be opened is told of over ${over}, passed by and acknowledged, and what follows is handled`, async () => {
    await using gateway = await openGateway();
    const [mine, other] = [await createSealingKey({ kid: "mine" }), await createSealingKey({ kid: "other" })];
    await using device = openClient(gateway, { id: "d-1", over });
    await using reader = openClient(gateway, { id: "reader", over, open: { keys: [mine] } });
    const [got, problems]: [unknown[], ClientError[]] = [[], []];
    reader.on("problem", (problem) => problems.push(problem));
    const subscription = reader.subscribe("status/#", ({ payload }) => void got.push(payload), { qos: 1 });
    await subscription.ready;
    const { offset } = await device.publish({ type: "status", payload: 1, seal: { recipients: [publicKeyOf(other)] } });
    await device.publish({ type: "status", payload: 2, seal: { recipients: [publicKeyOf(mine)] } });
    await until("the next one has come", () => got.length === 1);
    assert.deepEqual([got, problems.map(({ code }) => code)], [[2], ["SEALED"]]);
    assert.match(problems[0]!.message, /it is for other, and the keys here are mine/);
    assert.ok(subscription.offset! > (offset ?? 0));
    assert.equal(await codeOf(device.publish({ type: "status", payload: 3, seal: { recipients: [mine] } })), "SEALED");
  });

  test(`a sealed command over ${over} is opened by its device, or answered with an error where it has no key`, async () => {
    await using gateway = await openGateway();
    const lamp = await createSealingKey();
    await using app = openClient(gateway, { id: "app", over });
    for (const keys of [[lamp], [await createSealingKey()]]) {
      await using device = openClient(gateway, { id: "lamp", over, open: { keys } });
      const commands: Envelope[] = [];
      device.onCommand((command) => {
        commands.push(command);
        return "done";
      });
      await device.connected;
      const answer = await app.request({ to: "lamp", payload: { pin: 1234 }, seal: { recipients: [publicKeyOf(lamp)] } }, { ttl: 20_000 });
      assert.deepEqual([answer.status, commands.map(({ payload }) => payload)], keys.includes(lamp) ? ["ok", [{ pin: 1234 }]] : ["error", []]);
    }
    assert.ok(gateway.seen.filter(({ topic }) => topic === "command/lamp").every(({ payload }) => isSealed(payload)));
  });
}

test("what waits in a device's store is sealed already, and saved() and close() wait for what is being sealed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-sealed-"));
  try {
    await using gateway = await openGateway();
    gateway.refuse(true);
    const reader = await createSealingKey();
    const options = { url: gateway.urls.ws, id: "d-1", token: "d-1", reconnect: { min: 5, max: 50 } };
    const first = createClient({ ...options, store: fileStore(join(folder, "device.log")) });
    first.publish({ type: "status", payload: { secret: "plaintext-in-a-store" }, seal: { recipients: [publicKeyOf(reader)] } }).catch(() => {});
    await first.saved();
    await first.close();
    for (const file of await readdir(folder)) assert.ok(!(await readFile(join(folder, file))).includes("plaintext-in-a-store"));
    gateway.refuse(false);
    const second = createClient({ ...options, store: fileStore(join(folder, "device.log")) });
    void second.publish({ type: "status", payload: "the last word", seal: { recipients: [publicKeyOf(reader)] } });
    await second.close({ drain: true, timeout: 20_000 });
    const got: unknown[] = [];
    await using app = openClient(gateway, { id: "app", open: { keys: [reader] } });
    app.subscribe("status/#", ({ payload }) => void got.push(payload), { since: 0 });
    await until("both have come", () => got.length === 2);
    assert.deepEqual(got, [{ secret: "plaintext-in-a-store" }, "the last word"]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a key that is too short, and a value that has no canonical form, are refused at once", async () => {
  await using gateway = await openGateway({ messageKeys });
  assert.throws(() => openClient(gateway, { id: "d-1", sign: { key: "short" } }), RangeError);
  await using client = openClient(gateway, { id: "d-1", sign });
  assert.equal(await codeOf(client.publish({ type: "status", payload: "\ud800" })), "BAD_FRAME");
  await client.publish({ type: "status", payload: "fine" });
});
