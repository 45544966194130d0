import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { AuthorityPort, definePlugin, type Authority } from "@busbar/core";
import { fakeClock, testPlugin } from "@busbar/core/testkit";
import * as v from "valibot";
import authJwt from "./mod.ts";

async function folder(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "busbar-auth-plugin-"));
  t.after(() => rm(home, { recursive: true }));
  return home;
}

/** A plugin that needs the authority, as a listener does, and hands it to the test. */
function visitor() {
  const got = Promise.withResolvers<Authority>();
  const plugin = definePlugin({
    name: "visitor",
    description: "Shows a test the authority it was given",
    config: v.strictObject({}),
    needs: { authority: AuthorityPort },
    setup(ctx) {
      got.resolve(ctx.needs.authority);
    },
  });
  return { plugin, authority: got.promise };
}

test("auth-jwt gives other plugins the authority, and its kernel a bus that obeys it", async (t) => {
  const cwd = await folder(t);
  const { plugin, authority: given } = visitor();
  const config = { keyFile: "keys/signing.key", roles: { device: { publish: ["status/{id}/#"], subscribe: ["status/{id}/#"] } } };
  await using gateway = await testPlugin(authJwt, config, { cwd, plugins: { visitor: [plugin, {}] } });
  const authority = await given;
  assert.match(await readFile(join(cwd, "keys", "signing.key"), "utf8"), /^[\w-]{43}\n$/);

  const token = await authority.issue({ id: "home-7", roles: ["device"], ttl: 60 });
  const principal = await authority.authenticate({ kind: "token", token, id: "home-7" }, { remote: "127.0.0.1", transport: "tcp" });
  const bus = gateway.bus.as(principal);
  const seen = gateway.next("status/home-7/#");
  bus.publish({ type: "status", from: "home-7/lamp", payload: { on: true } });
  assert.equal((await seen).from, "home-7/lamp");
  assert.throws(() => bus.publish({ type: "status", from: "home-70", payload: {} }), { code: "FORBIDDEN" });
  assert.throws(() => bus.publish({ type: "event", from: "home-7", payload: {} }), { code: "FORBIDDEN" });
  assert.throws(() => bus.subscribe("#", () => {}), { code: "FORBIDDEN" });
  bus.subscribe("status/home-7/#", () => {}).close();

  await assert.rejects(authority.authenticate({ kind: "token", token: `${token}x` }, { remote: "127.0.0.1", transport: "tcp" }), { code: "UNAUTHENTICATED" });
  assert.equal(gateway.metric('busbar_auth_logins_total{kind="token"}'), 1);
  assert.equal(gateway.metric('busbar_auth_failures_total{reason="signature"}'), 1);
});

test("auth-jwt stops watching its revocations when the gateway stops", async (t) => {
  const cwd = await folder(t);
  await writeFile(join(cwd, "revoked.txt"), "");
  const clock = fakeClock();
  const withFile = await testPlugin(authJwt, { keyFile: "k", revocationsFile: "revoked.txt" }, { cwd, clock });
  await withFile.stop();
  assert.equal(clock.timers, 0);
});

test("auth-jwt refuses to start with a key file that others can read", { skip: process.platform === "win32" ? "Windows has no such modes" : false }, async (t) => {
  const cwd = await folder(t);
  await writeFile(join(cwd, "signing.key"), "x".repeat(40));
  await chmod(join(cwd, "signing.key"), 0o644);
  await assert.rejects(testPlugin(authJwt, { keyFile: "signing.key" }, { cwd }), /others have access/);
});
