import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog, type LogRecord } from "@busbar/core";
import { fakeClock } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { createIdentities } from "./identity.ts";

function identities(config: unknown) {
  const lines: LogRecord[] = [];
  const log = createLog({ clock: fakeClock(), write: (line) => lines.push(line) });
  return { of: createIdentities(v.parse(configSchema, config), log), lines };
}

test("createIdentities() keeps each role once and logs those that the config does not know", () => {
  const { of, lines } = identities({ roles: { device: {} } });
  assert.deepEqual(of({ id: "lamp", roles: ["device", "root", "constructor", "device"] }).roles, ["device", "root", "constructor"]);
  assert.deepEqual(lines.map(({ level, message, fields }) => [level, message, fields]), [["warn", "Unknown roles grant nothing", { id: "lamp", roles: ["root", "constructor"] }]]);
});

test("createIdentities() adds the groups whose patterns name the id", () => {
  const { of } = identities({ groups: { kitchen: ["home-7/lamp", "home-8/#"], lamps: ["+/lamp"], none: [] } });
  assert.deepEqual(of({ id: "home-7/lamp", roles: [] }).groups, ["kitchen", "lamps"]);
  assert.deepEqual(of({ id: "home-8", roles: [], groups: ["own", "kitchen"] }).groups, ["kitchen", "own"]);
  assert.deepEqual(of({ id: "home-7", roles: [] }).groups, []);
  assert.deepEqual(of({ id: "home-80/x", roles: [] }).groups, []);
});

test("createIdentities() gives principals that nobody can change", () => {
  const principal = identities({ roles: { device: {} } }).of({ id: "lamp", roles: ["device"], expires: 5, credential: "t" });
  assert.deepEqual(principal, { id: "lamp", roles: ["device"], groups: [], expires: 5, credential: "t" });
  assert.ok(Object.isFrozen(principal) && Object.isFrozen(principal.roles) && Object.isFrozen(principal.groups));
});
