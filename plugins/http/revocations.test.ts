import assert from "node:assert/strict";
import { test } from "node:test";
import type { Authority, RevocationChange } from "@busbar/core";
import { createFixture, patternAuthority, problemIn } from "./app-fixture.ts";

/** An app whose authority remembers what it was asked to revoke. */
async function revoking() {
  const asked: RevocationChange[] = [];
  const authority: Authority = {
    ...patternAuthority,
    async revoke(change) {
      if (change.name === "nobody") throw new RangeError('Cannot revoke a role: there is no role "nobody"');
      asked.push(change);
      return asked.length === 1;
    },
    revocations: () => [{ kind: "role", name: "guest", time: 7, by: "anna" }],
  };
  const fixture = await createFixture({ authority });
  const post = (token: string, body: unknown) => fixture.call("/api/revocations", { token, body });
  return { ...fixture, asked, post };
}

test("POST /api/revocations hands the wish to the authority, in the name of whoever asks", async () => {
  const { asked, post } = await revoking();
  const answers = [await post("anna:#", { kind: "device", name: "home-7/lamp" }), await post("anna:#", { kind: "token", name: "t-1", undo: true })];
  assert.deepEqual(await Promise.all(answers.map(async (answer) => [answer.status, await answer.json()])), [[200, { changed: true }], [200, { changed: false }]]);
  assert.deepEqual(asked, [{ kind: "device", name: "home-7/lamp", undo: false, by: "anna" }, { kind: "token", name: "t-1", undo: true, by: "anna" }]);
});

test("POST /api/revocations wants the right for that kind, and for devices for that id", async () => {
  const { asked, post } = await revoking();
  const status = async (patterns: string, body: object): Promise<number> => (await post(`anna:${patterns}`, body)).status;
  assert.equal(await status("gateway/revocations/device/home-7/#", { kind: "device", name: "home-7/lamp" }), 200);
  for (const [patterns, body] of [
    ["gateway/revocations/device/home-7/#", { kind: "device", name: "home-8" }],
    ["gateway/revocations/device/#", { kind: "role", name: "admin" }],
    ["gateway/revocations/device/#", { kind: "token", name: "t-1" }],
    ["gateway/revocations/device/+", { kind: "device", name: "+" }],
    ["status/#", { kind: "device", name: "home-7" }],
  ] as const) assert.equal(await status(patterns, body), 403, `${patterns} ${body.name}`);
  assert.equal(asked.length, 1);
});

test("POST /api/revocations says what is wrong with a name", async () => {
  const { post } = await revoking();
  const problem = await problemIn(await post("anna:#", { kind: "role", name: "nobody" }));
  assert.deepEqual([problem["status"], problem["detail"]], [422, 'Cannot revoke a role: there is no role "nobody"']);
  for (const body of [{}, { kind: "all", name: "x" }, { kind: "role" }, { kind: "role", name: "" }, { kind: "role", name: "a", by: "somebody else" }]) assert.equal((await post("anna:#", body)).status, 422, JSON.stringify(body));
});

test("GET /api/revocations lists them to those who may see", async () => {
  const { call } = await revoking();
  assert.deepEqual(await (await call("/api/revocations", { token: "anna:gateway/#" })).json(), { revocations: [{ kind: "role", name: "guest", time: 7, by: "anna" }] });
  assert.equal((await call("/api/revocations", { token: "anna:status/#" })).status, 403);
  assert.equal((await call("/api/revocations")).status, 401);
});

test("/api/revocations says 503 where the authority keeps none", async () => {
  const { call } = await createFixture();
  assert.equal((await call("/api/revocations", { token: "anna:#" })).status, 503);
  assert.equal((await call("/api/revocations", { token: "anna:#", body: { kind: "device", name: "home-7" } })).status, 503);
});
