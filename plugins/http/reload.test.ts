import assert from "node:assert/strict";
import { test } from "node:test";
import { createFixture, problemIn } from "./app-fixture.ts";

test("POST and GET /api/reload want the rights of who looks after the gateway", async () => {
  const { call } = await createFixture();
  const post = (token: string): Promise<Response> => call("/api/reload", { token, method: "POST" });
  assert.equal((await call("/api/reload", { method: "POST" })).status, 401);
  assert.equal((await post("app:status/#")).status, 403);
  assert.equal((await call("/api/reload", { token: "app:status/#" })).status, 403);
  assert.equal((await problemIn(await call("/api/reload", { token: "app:gateway/#" }))).detail, "Nothing was reloaded since the gateway started");
  const refused = await problemIn(await post("app:gateway/#"));
  assert.deepEqual([refused.status, refused.code], [503, "UNAVAILABLE"], "this gateway has no config file");
});
