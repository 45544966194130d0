import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, type Principal } from "@busbar/core";
import fc from "fast-check";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { createRights } from "./rights.ts";
import { isRolePattern } from "./role-schema.ts";

const rights = (roles: unknown) => createRights(v.parse(configSchema, { roles }).roles).can;
const who = (id: string, roles: readonly string[] = ["device"], groups: readonly string[] = []): Principal => ({ id, roles, groups });

const site = rights({
  admin: { publish: ["#"], subscribe: ["#"] },
  device: { publish: ["status/{id}/#", "event/{id}/#"], subscribe: ["command/{id}/#", "status/group/{group}/#"] },
  guest: { subscribe: ["status/#"], deny: { subscribe: ["status/+/private/#"], publish: ["#"] } },
});

test("can() grants nothing without a role that says so", () => {
  assert.equal(site(who("home-7", []), "publish", "status/home-7"), false);
  assert.equal(site(who("home-7", ["nobody"]), "subscribe", "status/home-7"), false);
  assert.equal(site(who("home-7", ["__proto__", "constructor", "toString"]), "publish", "status/home-7"), false);
  assert.equal(rights({})(who("home-7", ["admin"]), "publish", "status/home-7"), false);
});

test("can() lets the holder of home-7 speak for home-7 and below, never for home-70 or another action", () => {
  for (const topic of ["status/home-7", "status/home-7/lamp", "status/home-7/a/b", "event/home-7/door"]) assert.equal(site(who("home-7"), "publish", topic), true, topic);
  for (const topic of ["status/home-70", "status/home-8", "status", "command/home-7", "status/x/home-7"]) assert.equal(site(who("home-7"), "publish", topic), false, topic);
  assert.equal(site(who("home-7"), "subscribe", "status/home-7"), false);
});

test("can() wants a subscription wholly within what is granted", () => {
  assert.equal(site(who("home-7"), "subscribe", "command/home-7/#"), true);
  assert.equal(site(who("home-7"), "subscribe", "command/home-7/+"), true);
  for (const filter of ["#", "+/#", "command/#", "command/+", "+/home-7", "command/+/lamp"]) assert.equal(site(who("home-7"), "subscribe", filter), false, filter);
});

test("can() writes {id} out for an id of several levels", () => {
  assert.equal(site(who("home-7/lamp"), "publish", "status/home-7/lamp/left"), true);
  assert.equal(site(who("home-7/lamp"), "publish", "status/home-7"), false);
  assert.equal(site(who("home-7/lamp"), "publish", "status/home-7/fan"), false);
});

test("can() never lets an id or a group with a wildcard widen a pattern", () => {
  for (const id of ["+", "#", "home-7/#", "+/lamp", "{group}", ""]) {
    assert.equal(site(who(id), "publish", "status/home-8"), false, id);
    assert.equal(site(who(id), "subscribe", "command/home-8"), false, id);
  }
  for (const group of ["+", "#", "a/b", "{id}"]) assert.equal(site(who("x", ["device"], [group]), "subscribe", "status/group/a/b"), false, group);
});

test("can() writes {group} out once for each group, and not at all without one", () => {
  const member = who("lamp", ["device"], ["kitchen", "hall"]);
  assert.equal(site(member, "subscribe", "status/group/kitchen"), true);
  assert.equal(site(member, "subscribe", "status/group/hall/x"), true);
  assert.equal(site(member, "subscribe", "status/group/cellar"), false);
  assert.equal(site(who("lamp"), "subscribe", "status/group/kitchen"), false);
});

test("can() lets a denial win over every grant, also over that of another role", () => {
  const both = who("x", ["admin", "guest"]);
  assert.equal(site(both, "publish", "status/x"), false);
  assert.equal(site(both, "subscribe", "status/home-7/private/diary"), false);
  assert.equal(site(both, "subscribe", "status/home-7/lamp"), true);
});

test("can() refuses a subscription of which a part is denied", () => {
  const guest = who("x", ["guest"]);
  for (const filter of ["status/#", "status/+/#", "status/home-7/#", "status/home-7/+", "status/+/private"]) assert.equal(site(guest, "subscribe", filter), false, filter);
  for (const filter of ["status/home-7", "status/+", "status/+/lamp", "status/home-7/lamp/#"]) assert.equal(site(guest, "subscribe", filter), true, filter);
});

test("can() allows a subscription only when it allows each topic that it matches", () => {
  const word = fc.constantFrom("a", "b", "+");
  const pattern = fc.tuple(fc.array(word, { minLength: 1, maxLength: 3 }), fc.boolean()).map(([levels, wild]) => [...levels, ...(wild ? ["#"] : [])].join("/"));
  const topics = ["a", "b", "c"].flatMap((one) => [one, ...["a", "b", "c"].flatMap((two) => [`${one}/${two}`, ...["a", "b", "c"].map((three) => `${one}/${two}/${three}`)])]);
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), fc.array(pattern, { maxLength: 2 }), pattern, (granted, denied, asked) => {
      const can = rights({ r: { subscribe: granted, deny: { subscribe: denied } } });
      const principal = who("x", ["r"]);
      const oracle = (topic: string): boolean => granted.some((one) => matches(one, topic)) && !denied.some((one) => matches(one, topic));
      for (const topic of topics) assert.equal(can(principal, "subscribe", topic), oracle(topic), topic);
      if (can(principal, "subscribe", asked)) for (const topic of topics) if (matches(asked, topic)) assert.ok(oracle(topic), `${asked} lets ${topic} through`);
    }),
    { numRuns: 500 },
  );
});

test("isRolePattern() takes {id} and {group} only as whole levels", () => {
  for (const good of ["#", "status/{id}/#", "{id}", "status/{group}/{id}/+"]) assert.ok(isRolePattern(good), good);
  for (const bad of ["", "status/{ID}", "status/x{id}", "status/{id}x", "status/{}/#", "#/a", "a//b", "status/{name}"]) assert.ok(!isRolePattern(bad), bad);
});
