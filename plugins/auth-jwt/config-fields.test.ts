import assert from "node:assert/strict";
import { test } from "node:test";
import { isPrincipalId } from "./config-fields.ts";

test("isPrincipalId() refuses reserved ids and what lies below them", () => {
  for (const good of ["lamp", "home-7/lamp", "groups/a", "server-1", "a/server", "a/all"]) assert.ok(isPrincipalId(good), good);
  for (const bad of ["server", "server/a", "all", "all/a", "group", "group/kitchen", "+", "#", "", "a//b", "a/.."]) assert.ok(!isPrincipalId(bad), bad);
});
