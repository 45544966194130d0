import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { configSchema } from "./config.ts";
import { watchingOf } from "./point.ts";

const problems = (config: Record<string, unknown>): readonly string[] =>
  v.safeParse(configSchema, { url: "opc.tcp://plc", nodes: [{ node: "i=2258", tag: "time" }], ...config }).issues?.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`) ?? [];

test("configSchema says what is wrong", () => {
  assert.deepEqual(problems({}), []);
  assert.deepEqual(problems({ url: "http://plc" }), ["url: must be a URL such as opc.tcp://192.168.0.10:4840"]);
  assert.deepEqual(problems({ url: "opc.tcp://a:b@plc" }), ["url: must not hold a name or password; say user"]);
  assert.deepEqual(problems({ nodes: [] }), ["nodes: needs something to do: nodes, folders, methods or alarms.sources must have an entry"]);
  assert.deepEqual(problems({ nodes: [{ node: "2258", tag: "time" }] }), ['nodes.0.node: Cannot read the node "2258": expected ns=2;s=name, nsu=http://example.com/plant;s=name or a path such as /Objects/Plant/press-1']);
  assert.deepEqual(problems({ nodes: [{ node: "i=1", tag: "a" }, { node: "i=2", tag: "a" }] }), ["nodes: has a tag twice in one device"]);
  assert.deepEqual(problems({ nodes: [{ node: "i=1", tag: "a" }, { node: "i=2", tag: "a", device: "b" }] }), []);
  assert.deepEqual(problems({ user: { name: "a", token: "b" } }), ["user: must say one of name, certFile and token"]);
  assert.deepEqual(problems({ user: { certFile: "a" } }), ["user: must have certFile and keyFile, or neither"]);
  assert.deepEqual(problems({ security: { policy: "None", mode: "Sign" } }), ["security: has no mode with policy None"]);
  assert.deepEqual(problems({ folders: [{ under: "/Objects", device: "{0}" }] }), ["folders.0.device: must be a device id with the placeholders {instance}, {name}, {1}, {2}, … and {1..}, {2..}, …"]);
  assert.deepEqual(problems({ methods: [{ name: "a", object: "i=1", method: "i=2" }] }), ["methods: can be called with allowWrites: true only"]);
  assert.deepEqual(problems({ nodes: [{ node: "i=1", tag: "a", deadband: "120%" }] }), ["nodes.0.deadband: must be at most 100%"]);
  assert.deepEqual(problems({ subscription: { publish: "20s" } }), ["subscription: must have publish no longer than keepAlive, and lifetime at least three times keepAlive"]);
});

test("watchingOf() takes what a node says, else what the connection says", () => {
  const config = v.parse(configSchema, { url: "opc.tcp://plc", sampling: "100ms", discard: "newest", nodes: [{ node: "i=1", tag: "a" }, { node: "i=2", tag: "b", sampling: 5, queue: 3, deadband: "2.5%", discard: "oldest", history: false, trigger: "timestamp" }] });
  assert.deepEqual(watchingOf(config.nodes[0]!, config), { sampling: 100, queue: 20, discardOldest: false, trigger: "value", deadband: undefined, poll: undefined, history: true });
  assert.deepEqual(watchingOf(config.nodes[1]!, config), { sampling: 5, queue: 3, discardOldest: true, trigger: "timestamp", deadband: { kind: "percent", value: 2.5 }, poll: undefined, history: false });
});
