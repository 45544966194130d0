import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config.ts";
import mqtt from "./mod.ts";
import { Broker } from "./testing/broker.ts";

const quick = { reconnect: { min: 10, max: 50 } };

test("mqtt leaves commands out that only happen to match, and says so, unless allowWrites is true", async () => {
  await using broker = await Broker.start();
  await using gateway = await testPlugin(mqtt, { ...quick, url: broker.url, out: [{ topics: ["+/lamp"], to: "x/{topic}" }] });
  const audited: unknown[] = [];
  gateway.bus.subscribe("audit/#", ({ payload }) => void audited.push(payload));
  await gateway.bus.deliver({ type: "command", from: "anna", to: "lamp", msgid: "c1", payload: { on: true }, qos: 1 });
  await gateway.bus.deliver({ type: "status", from: "lamp", payload: { on: false }, qos: 1 });
  await until("the status is published", () => broker.published.length > 0);
  assert.deepEqual(broker.published.map(({ topic }) => topic), ["x/status/lamp"]);
  assert.equal(gateway.metric('busbar_mqtt_skipped_total{instance="subject",reason="writes"}'), 1);
  assert.equal(gateway.metric('busbar_writes_refused_total{instance="subject"}'), 1);
  await until("it is in the audit log", () => audited.some((entry) => (entry as { action: string }).action === "write-refused"));
});

test("mqtt refuses a command that the broker hides in an envelope, unless allowWrites is true", async () => {
  for (const allowWrites of [false, true]) {
    await using broker = await Broker.start();
    await using gateway = await testPlugin(mqtt, { ...quick, allowWrites, url: broker.url, in: [{ topics: ["a"], format: "envelope" }] });
    const seen: Envelope[] = [];
    gateway.bus.subscribe("+/#", (message) => void (message.type !== "audit" && seen.push(message)));
    await until("it has subscribed", () => broker.peer("in")?.packets.some(({ cmd }) => cmd === "subscribe") ?? false);
    for (const [messageId, type] of [[1, "command"], [2, "status"]] as const) {
      broker.peer("in")!.send({ cmd: "publish", topic: "a", payload: Buffer.from(JSON.stringify({ type, from: "evil", to: "press-1", msgid: `m${messageId}`, payload: { on: true } })), qos: 1, messageId, dup: false, retain: false });
    }
    await until("both are answered", () => broker.peer("in")!.packets.filter(({ cmd }) => cmd === "puback").length === 2);
    assert.deepEqual(seen.map(({ topic }) => topic).filter((topic) => topic.startsWith("command")), allowWrites ? ["command/press-1"] : []);
    assert.equal(gateway.metric('busbar_writes_refused_total{instance="subject"}'), allowWrites ? 0 : 1);
  }
});

test("a config that names commands needs allowWrites", () => {
  const problems = (config: Record<string, unknown>): readonly string[] => v.safeParse(configSchema, { url: "mqtt://a", ...config }).issues?.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`) ?? [];
  assert.deepEqual(problems({ out: [{ topics: ["status/#", "command/line-1/#"] }] }), ["out: names commands, which move machines at the other end: say allowWrites: true, or leave them out"]);
  assert.deepEqual(problems({ in: [{ topics: ["x"], type: "command" }] }), ["in: makes commands, which move machines here: say allowWrites: true, or choose another type"]);
  assert.deepEqual(problems({ allowWrites: true, out: [{ topics: ["command/#"] }], in: [{ topics: ["x"], type: "command" }] }), []);
  assert.deepEqual(problems({ out: [{ topics: ["#"] }] }), []);
});
