import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig } from "@busbar/core";
import * as v from "valibot";
import { configSchema, type MqttConfig } from "./mod.ts";

const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8");

test("README.md shows a config that is right", async () => {
  const [, shown] = /^```yaml\n([\s\S]*?)^```$/m.exec(readme)!;
  // in this folder, from which the plugins that it names can be found
  const file = join(import.meta.dirname, "example.yaml");
  const { config, problems } = await loadConfig(file, { readText: async () => shown!, env: () => "secret" });
  assert.deepEqual(problems.map(formatProblem), []);
  const zigbee = config!.instances.find(({ id }) => id === "zigbee")!.config as MqttConfig;
  assert.deepEqual(zigbee.in[0], { topics: ["zigbee2mqtt/+"], from: "zigbee/{1}", qos: 1, retain: "keep", format: "payload" });
});

test("README.md has every key of the config, with its default", () => {
  const table = readme.slice(readme.indexOf("## Config"), readme.indexOf("## Errors"));
  const keys = Object.keys(v.parse(configSchema, { url: "mqtt://a", out: [{ topics: ["#"] }] }));
  for (const key of [...keys, "clientId", "username", "password", "tls"]) assert.match(table, new RegExp(`^\\|.*\`${key}(?:\\[\\])?\``, "m"), key);
});

const minimal = { url: "mqtt://broker.example", out: [{ topics: ["status/#"] }] };

test("configSchema has a default for everything but the broker and what to do", () => {
  const config = v.parse(configSchema, minimal);
  assert.deepEqual(config.out, [{ topics: ["status/#"], to: "{topic}", retain: "keep", format: "payload" }]);
  assert.deepEqual([config.qos, config.inFlight, config.overtake, config.pace, config.late, config.start, config.session], [1, 100, 10_000, 1000, 60_000, "now", 604_800_000]);
  assert.deepEqual([config.lanes, config.batch, config.reconnect], [{ alarm: ["event/#"], command: ["command/#"] }, { count: 100, bytes: 1_048_576, linger: 0 }, { min: 100, max: 30_000 }]);
});

test("configSchema places every problem", () => {
  const wrong: readonly [string, Record<string, unknown>][] = [
    ["url", { url: "http://broker.example" }],
    ["url", { url: "mqtt://user:word@broker.example" }],
    ["url", { out: [] }],
    ["keepAlive", { keepAlive: 1 }],
    ["protocolVersion", { protocolVersion: 3 }],
    ["tls", { tls: { caFile: "ca.pem" } }],
    ["tls", { url: "mqtts://a", tls: { certFile: "c.pem" } }],
    ["password", { protocolVersion: 4, password: "x" }],
    ["reconnect", { reconnect: { min: "10s", max: "1s" } }],
    ["out.0.to", { out: [{ topics: ["#"], to: "a/{topik}" }] }],
    ["out.0.to", { out: [{ topics: ["#"], to: "a/+" }] }],
    ["out.0.to", { out: [{ topics: ["#"], to: "a/{1}" }] }],
    ["out.0.topics.0", { out: [{ topics: ["a/#/b"] }] }],
    ["in.0.topics.0", { in: [{ topics: ["a+/b"] }] }],
    ["in.0.from", { in: [{ topics: ["a"], from: "x/{2" }] }],
    ["in.0.type", { in: [{ topics: ["a"], type: "Status" }] }],
    ["in.0.msgid", { in: [{ topics: ["a"], msgid: "a..b" }] }],
    ["clientId", { clientId: "a b" }],
  ];
  for (const [place, change] of wrong) {
    const { issues = [] } = v.safeParse(configSchema, { ...minimal, ...change });
    assert.deepEqual(issues.map((issue) => v.getDotPath(issue)), [place], JSON.stringify(change));
  }
});
