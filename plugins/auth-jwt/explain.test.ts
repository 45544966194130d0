import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, Principal } from "@busbar/core";
import fc from "fast-check";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { createRights } from "./rights.ts";

const rights = (roles: unknown) => createRights(v.parse(configSchema, { roles }).roles);
const site = rights({
  admin: { publish: ["#"], subscribe: ["#"] },
  device: { publish: ["status/{id}/#", "event/{id}/#"], subscribe: ["status/group/{group}/#"] },
  guest: { subscribe: ["status/#"], deny: { subscribe: ["audit/#", "status/+/private/#"] } },
  tech: { when: { transports: ["tcp"], networks: ["10.0.0.0/8"] }, publish: ["command/#"] },
});
const who = (roles: readonly string[], more: Partial<Principal> = {}): Principal => ({ id: "home-7", roles, groups: [], ...more });
const say = (principal: Principal, action: Action, topic: string): readonly string[] => {
  const { allowed, rule, why, near } = site.explain(principal, action, topic);
  assert.equal(allowed, site.can(principal, action, topic));
  return [`${allowed}: ${why}${rule ? ` [${rule.role} ${rule.effect} ${rule.action} ${rule.index}]` : ""}`, ...near.map((one) => `${one.rule.role} ${one.rule.effect} ${one.rule.index}: ${one.why}`)];
};

test("explain() names the rule that grants", () => {
  assert.deepEqual(say(who(["device"]), "publish", "event/home-7/door"), ['true: role "device" grants event/{id}/# [device grant publish 1]']);
});

test("explain() names the denial that wins, and the grant that it beats", () => {
  assert.deepEqual(say(who(["admin", "guest"]), "subscribe", "status/x/private/y"), ['false: role "guest" denies status/+/private/# [guest deny subscribe 1]', "admin grant 0: grants it, but a denial wins"].concat(["admin grant 0: grants publish, not subscribe"]));
  assert.match(say(who(["guest"]), "subscribe", "status/#")[0]!, /denies status\/\+\/private\/#, which it asks for a part of \[guest deny subscribe 1\]$/);
});

test("explain() tells what comes near when nothing grants it", () => {
  assert.deepEqual(say(who([]), "publish", "status/home-7"), ["false: it has no role, and without one nothing is granted"]);
  assert.deepEqual(say(who(["device"]), "publish", "status/home-70"), ["false: no role of its grants all of it", "device grant 0: grants it the topic status/home-7/# only"]);
  assert.deepEqual(say(who(["device"]), "publish", "status/+"), ["false: no role of its grants all of it", "device grant 0: grants only a part of it: status/home-7/#"]);
  assert.deepEqual(say(who(["device"]), "subscribe", "status/home-7"), ["false: no role of its grants all of it", "device grant 0: grants publish, not subscribe"]);
  assert.deepEqual(say(who(["device"]), "subscribe", "status/group/hall/#"), ["false: no role of its grants all of it", "device grant 0: grants it to members of a group, and it is in none"]);
  assert.deepEqual(say(who(["device"], { groups: ["cellar"] }), "subscribe", "status/group/hall/#"), ["false: no role of its grants all of it", "device grant 0: grants it the topic status/group/cellar/# only"]);
});

test("explain() says that a rule holds elsewhere", () => {
  const near = 'tech grant 0: grants it only over tcp, from 10.0.0.0/8';
  assert.deepEqual(say(who(["tech"]), "publish", "command/x"), ["false: no role of its grants all of it", `${near}, and it is not known where it comes from`]);
  assert.deepEqual(say(who(["tech"], { via: { transport: "http", remote: "10.0.0.1" } }), "publish", "command/x"), ["false: no role of its grants all of it", near]);
  assert.match(say(who(["tech"], { via: { transport: "tcp", remote: "10.0.0.1:7" } }), "publish", "command/x")[0]!, /^true: /);
});

test("explain() answers as can() does, and names a rule whenever it is allowed or denied by one", () => {
  const level = fc.constantFrom("a", "b", "+", "{id}", "{group}");
  const pattern = fc.tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean()).map(([levels, wild]) => [...levels, ...(wild ? ["#"] : [])].join("/"));
  const when = fc.constantFrom({ transports: ["tcp"] }, { networks: ["10.0.0.0/8"] }, { transports: ["http"], networks: ["::1"] });
  const rule = fc.oneof(pattern, fc.record({ topic: pattern, when }));
  const role = fc.record({ when, subscribe: fc.array(rule, { maxLength: 3 }), deny: fc.record({ subscribe: fc.array(rule, { maxLength: 2 }) }) }, { requiredKeys: [] });
  const via = fc.constantFrom(undefined, { transport: "tcp", remote: "10.0.0.1:9" }, { transport: "http", remote: "::1" }, { transport: "mqtt", remote: "8.8.8.8" });
  fc.assert(
    fc.property(role, role, pattern.map((text) => text.replaceAll("{id}", "a").replaceAll("{group}", "b")), via, (one, other, topic, origin) => {
      const { can, explain } = rights({ one, other });
      const principal = { id: "a", roles: ["one", "other"], groups: ["b"], ...(origin && { via: origin }) };
      const { allowed, rule: decided, why } = explain(principal, "subscribe", topic);
      assert.equal(allowed, can({ ...principal }, "subscribe", topic));
      assert.equal(decided?.effect, allowed ? "grant" : why.includes("denies") ? "deny" : undefined);
    }),
    { numRuns: 3000 },
  );
});
