import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createLog, MetricsRegistry, type Audit, type LogRecord } from "@busbar/core";
import { fakeClock } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { createAuthority } from "./create-authority.ts";
import { hashSecret } from "./secret-hash.ts";

const at = { remote: "192.0.2.1:5000", transport: "tcp" };
const roles = { device: { publish: ["status/{id}/#"], subscribe: ["event/#"] }, guard: { subscribe: ["status/#"], deny: { subscribe: ["status/vault/#"] } }, reader: { subscribe: ["status/#"] } };
const by = "operator";

/** Opens authorities one after the other in the same folder. */
async function folder(t: TestContext) {
  const home = await mkdtemp(join(tmpdir(), "busbar-revoke-"));
  t.after(() => rm(home, { recursive: true }));
  return async (config: object = {}) => {
    const clock = fakeClock();
    const lines: LogRecord[] = [];
    const entries: (readonly [string, object])[] = [];
    const audit: Audit = { write: (action, fields) => void entries.push([action, fields]) };
    const authority = await createAuthority(v.parse(configSchema, { roles, ...config }), { clock, metrics: new MetricsRegistry(), audit, log: createLog({ clock, write: (line) => lines.push(line) }), path: (file) => join(home, file) });
    t.after(() => authority.close());
    const login = (token: string, id?: string) => authority.authenticate({ kind: "token", token, id }, at);
    let changes = 0;
    authority.onChange(() => changes++);
    return { authority, clock, entries, home, lines, login, changes: () => changes };
  };
}

test("revoke() ends a token, but not the next one of the same device, and undo lets it count again", async (t) => {
  const { authority, login, entries, changes } = await (await folder(t))();
  const [token, other] = await Promise.all([1, 2].map(() => authority.issue({ id: "home-7", roles: ["device"], ttl: 600 })));
  const principal = await login(token!);
  assert.equal(await authority.revoke({ kind: "token", name: principal.credential!, by }), true);
  assert.equal(changes(), 1);
  assert.equal(authority.stands(principal), false);
  await assert.rejects(login(token!), { reason: "revoked" });
  assert.equal((await login(other!)).id, "home-7");
  assert.equal(await authority.revoke({ kind: "token", name: principal.credential!, by }), false);
  assert.equal(await authority.revoke({ kind: "token", name: principal.credential!, by, undo: true }), true);
  assert.equal(authority.stands(principal), true);
  assert.deepEqual(entries.filter(([action]) => action !== "key-created").map(([action, fields]) => [action, fields]), [
    ["revoked", { kind: "token", name: principal.credential, by }],
    ["restored", { kind: "token", name: principal.credential, by }],
  ]);
});

test("revoke() ends a device with all below it, whatever it shows, and not its neighbours", async (t) => {
  const { authority, login } = await (await folder(t))({ devices: { "home-7": { secret: await hashSecret("home-secret"), roles: ["device"] } } });
  const lamp = await login(await authority.issue({ id: "home-7/lamp", roles: [], ttl: 600 }));
  const neighbour = await login(await authority.issue({ id: "home-70", roles: [], ttl: 600 }));
  const bySecret = await login("home-secret", "home-7");
  await authority.revoke({ kind: "device", name: "home-7", by });
  assert.deepEqual([lamp, neighbour, bySecret].map((one) => authority.stands(one)), [false, true, false]);
  await assert.rejects(login("home-secret", "home-7"), { reason: "revoked" });
  await assert.rejects(login(await authority.issue({ id: "home-7", roles: [], ttl: 600 })), { reason: "revoked" });
});

test("revoke() takes from everybody what a role granted, but not what it denies", async (t) => {
  const { authority, login } = await (await folder(t))();
  const principal = await login(await authority.issue({ id: "home-7", roles: ["device", "guard", "reader"], ttl: 600 }));
  const may = () => [authority.can(principal, "publish", "status/home-7"), authority.can(principal, "subscribe", "status/hall"), authority.can(principal, "subscribe", "status/vault/1")];
  assert.deepEqual(may(), [true, true, false]);
  await authority.revoke({ kind: "role", name: "device", by });
  assert.deepEqual(may(), [false, true, false]);
  assert.match(authority.explain(principal, "publish", "status/home-7").why, /role "device" is revoked/);
  assert.equal(authority.stands(principal), true);
  await authority.revoke({ kind: "role", name: "guard", by });
  assert.deepEqual(may(), [false, true, false], "guard's denial stays");
  assert.equal(authority.explain(principal, "subscribe", "status/vault/1").rule?.role, "guard");
  await assert.rejects(authority.issue({ id: "home-7", roles: ["guard"], ttl: 600 }), /role "guard" is revoked/);
  await authority.revoke({ kind: "role", name: "device", by, undo: true });
  assert.deepEqual(may(), [true, true, false]);
});

test("revoke() outlives a restart, and so does its undoing", async (t) => {
  const open = await folder(t);
  const first = await open();
  const token = await first.authority.issue({ id: "home-7", roles: ["device"], ttl: 600 });
  await first.authority.revoke({ kind: "device", name: "home-7", by });
  await first.authority.revoke({ kind: "role", name: "reader", by });
  await first.authority.revoke({ kind: "role", name: "reader", by, undo: true });
  const expected = [{ kind: "device", name: "home-7", time: first.clock.now(), by }];
  assert.deepEqual(first.authority.revocations(), expected);
  await first.authority.close();
  const second = await open();
  assert.deepEqual(second.authority.revocations(), expected);
  await assert.rejects(second.login(token), { reason: "revoked" });
});

test("revoke() refuses what cannot be revoked, and says so when nothing can", async (t) => {
  const open = await folder(t);
  const { authority } = await open();
  await assert.rejects(authority.revoke({ kind: "device", name: "home-7/#", by }), RangeError);
  await assert.rejects(authority.revoke({ kind: "role", name: "constructor", by }), /no role "constructor"; there are device, guard, reader/);
  await assert.rejects(authority.revoke({ kind: "token", name: "a\nb", by }), RangeError);
  await assert.rejects((await open({ registerFile: false })).authority.revoke({ kind: "device", name: "home-7", by }), { code: "UNAVAILABLE" });
});

test("whoever a key or a secret of the config vouched for no longer stands when it is taken out", async (t) => {
  const open = await folder(t);
  const secret = "0123456789abcdef0123456789abcdef";
  const keys = [{ algorithm: "HS256", secret }];
  const hash = await hashSecret("lamp-secret");
  const first = await open({ devices: { lamp: { secret: hash } } });
  await writeFile(join(first.home, "idp.key"), secret, { mode: 0o600 });
  const foreign = await (await open({ keyFile: "idp.key" })).authority.issue({ id: "home-7", roles: [], ttl: 600 });
  const own = await first.login(await first.authority.issue({ id: "home-8", roles: [], ttl: 600 }));
  const lamp = await first.login("lamp-secret", "lamp");
  const guest = await (await open({ keys })).login(foreign);
  const stands = async (config: object) => {
    const { authority } = await open(config);
    return [own, guest, lamp].map((one) => authority.stands(one));
  };
  assert.deepEqual(await stands({ keys, devices: { lamp: { secret: hash } } }), [true, true, true]);
  assert.deepEqual(await stands({ keys: [{ ...keys[0], kid: "renamed" }] }), [true, true, false]);
  assert.deepEqual(await stands({ devices: { lamp: { secret: await hashSecret("lamp-secret") } } }), [true, false, false]);
  assert.deepEqual(await stands({ keyFile: "other.key" }), [false, false, false]);
});
