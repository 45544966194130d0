import assert from "node:assert/strict";
import { test } from "node:test";
import { remoteAddress, type Principal } from "@busbar/core";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { createRights } from "./rights.ts";

const rights = (roles: unknown) => createRights(v.parse(configSchema, { roles }).roles);
const from = (transport: string, remote: string, roles: readonly string[] = ["r"]): Principal => ({ id: "home-7", roles, groups: [], via: { transport, remote } });
const nowhere: Principal = { id: "home-7", roles: ["r"], groups: [] };

test("a role with a condition grants over its transports and from its networks only", () => {
  const { can } = rights({ r: { when: { transports: ["websocket", "tcp"], networks: ["10.0.0.0/8", "fd00::/8"] }, publish: ["command/#"] } });
  for (const [transport, remote] of [["websocket", "10.1.2.3"], ["tcp", "10.1.2.3:5000"], ["tcp", "[fd00::7]:5000"], ["websocket", "fd00::7"], ["websocket", "::ffff:10.9.9.9"], ["tcp", "[::ffff:10.9.9.9]:1"], ["websocket", "fd00::7%eth0"]] as const) {
    assert.equal(can(from(transport, remote), "publish", "command/lamp"), true, `${transport} ${remote}`);
  }
  for (const [transport, remote] of [["http", "10.1.2.3"], ["mqtt", "10.1.2.3"], ["", "10.1.2.3"], ["websocket", "11.0.0.1"], ["websocket", "fe80::1"], ["websocket", "::ffff:11.0.0.1"], ["tcp", "unknown"], ["tcp", ""], ["tcp", "10.1.2.3.4"], ["tcp", "10.1.2.3, 8.8.8.8"], ["tcp", "010.1.2.3"]] as const) {
    assert.equal(can(from(transport, remote), "publish", "command/lamp"), false, `${transport} ${remote}`);
  }
});

test("loopback is 127.0.0.0/8 and ::1, also as a dual-stack socket sees it", () => {
  const { can } = rights({ r: { subscribe: [{ topic: "audit/#", when: { networks: ["127.0.0.0/8", "::1"] } }] } });
  for (const remote of ["127.0.0.1", "127.0.0.1:9", "127.3.2.1", "::1", "[::1]:9", "::ffff:127.0.0.1"]) assert.equal(can(from("http", remote), "subscribe", "audit/#"), true, remote);
  for (const remote of ["128.0.0.1", "::2", "localhost"]) assert.equal(can(from("http", remote), "subscribe", "audit/#"), false, remote);
});

test("a single grant may have a condition besides its role's: both must hold", () => {
  const { can } = rights({ r: { when: { transports: ["tcp", "http"] }, publish: ["status/{id}", { topic: "command/#", when: { networks: ["10.0.0.0/8"] } }] } });
  assert.equal(can(from("tcp", "8.8.8.8"), "publish", "status/home-7"), true);
  assert.equal(can(from("tcp", "8.8.8.8"), "publish", "command/x"), false);
  assert.equal(can(from("tcp", "10.0.0.1"), "publish", "command/x"), true);
  assert.equal(can(from("websocket", "10.0.0.1"), "publish", "command/x"), false);
});

test("the condition of a role limits what it grants, never what it denies", () => {
  const { can } = rights({ r: { when: { transports: ["tcp"] }, subscribe: ["status/#"], deny: { subscribe: ["status/+/private/#"] } }, all: { subscribe: ["#"] } });
  for (const transport of ["tcp", "http"]) assert.equal(can(from(transport, "10.0.0.1", ["r", "all"]), "subscribe", "status/home-7/private/x"), false, transport);
});

test("a denial with a condition denies only there", () => {
  const { can } = rights({ r: { publish: ["#"], deny: { publish: [{ topic: "command/#", when: { transports: ["http"] } }] } } });
  assert.equal(can(from("http", "10.0.0.1"), "publish", "command/x"), false);
  assert.equal(can(from("tcp", "10.0.0.1"), "publish", "command/x"), true);
});

test("of whom it is not known where he comes from a conditional grant does not count, and a conditional denial does", () => {
  const { can } = rights({ r: { publish: ["status/#", { topic: "event/#", when: { transports: ["tcp"] } }], deny: { publish: [{ topic: "status/secret", when: { networks: ["8.0.0.0/8"] } }] } } });
  assert.equal(can(nowhere, "publish", "status/x"), true);
  assert.equal(can(nowhere, "publish", "event/x"), false);
  assert.equal(can(nowhere, "publish", "status/secret"), false);
  assert.equal(can(from("tcp", "9.9.9.9"), "publish", "status/secret"), true);
});

test("placed() copies a principal only where one of its roles asks where it comes from", () => {
  const { placed } = rights({ plain: { publish: ["#"] }, r: { deny: { publish: [{ topic: "a", when: { transports: ["tcp"] } }] } } });
  const origin = { transport: "tcp", remote: "10.0.0.1:1", signal: undefined };
  const shared = { ...nowhere, roles: ["plain"] };
  assert.equal(placed(shared, origin), shared);
  assert.deepEqual(placed(nowhere, origin), { ...nowhere, via: { transport: "tcp", remote: "10.0.0.1:1" } });
});

test("remoteAddress() takes off port, brackets, zone and IPv4 mapping", () => {
  for (const [remote, address] of [["10.0.0.1:80", "10.0.0.1"], ["10.0.0.1", "10.0.0.1"], ["[::1]:80", "::1"], ["[::1]", "::1"], ["::1", "::1"], ["fe80::1%eth0", "fe80::1"], ["[fe80::1%3]:80", "fe80::1"], ["::ffff:10.0.0.1", "10.0.0.1"], ["[::FFFF:10.0.0.1]:9", "10.0.0.1"], ["here", "here"], ["", ""]] as const) {
    assert.equal(remoteAddress(remote), address, remote);
  }
});

const issues = (roles: unknown): string => {
  const result = v.safeParse(configSchema, { roles });
  return result.success ? "" : result.issues.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`).join("\n");
};

test("the schema refuses conditions that could never be met as meant", () => {
  for (const [role, expected] of [
    [{ when: {} }, /^roles\.a\.when: must say transports, networks or both$/],
    [{ when: { transports: [] } }, /^roles\.a\.when\.transports: /],
    [{ when: { transports: ["websockets"] } }, /^roles\.a\.when\.transports\.0: /],
    [{ when: { networks: ["10.0.0.0/33"] } }, /^roles\.a\.when\.networks\.0: must be an address or a network such as 10\.0\.0\.0\/8 or fd00::\/8$/],
    [{ when: { networks: ["::ffff:10.0.0.0/104"] } }, /must be written as the IPv4 network/],
    [{ when: { networks: ["localhost"] } }, /must be an address or a network/],
    [{ when: { network: ["10.0.0.0/8"] } }, /roles\.a\.when/],
    [{ publish: [{ topic: "a" }] }, /^roles\.a\.publish\.0/],
    [{ publish: [{ topic: "a//b", when: { transports: ["tcp"] } }] }, /^roles\.a\.publish\.0\.topic: must be a topic pattern/],
    [{ deny: { publish: [7] } }, /^roles\.a\.deny\.publish\.0: must be a topic pattern, or \{topic, when\}$/],
  ] as const) assert.match(issues({ a: role }), expected, JSON.stringify(role));
  assert.equal(issues({ a: { when: { transports: ["mqtt"], networks: ["192.168.7.9", "::/0"] }, publish: ["a", { topic: "b", when: { networks: ["10.0.0.1"] } }] } }), "");
});
