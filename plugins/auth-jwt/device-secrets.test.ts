import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { createDeviceSecrets } from "./device-secrets.ts";

/** A cheap hash, so that the tests do not spend their time on scrypt. */
function stored(secret: string): string {
  const salt = Buffer.alloc(16, 7);
  return `scrypt$1024$8$1$${salt.toString("base64url")}$${scryptSync(secret, salt, 32, { N: 1024, r: 8, p: 1 }).toString("base64url")}`;
}

const { devices } = v.parse(configSchema, { devices: { lamp: { secret: stored("lamp-secret"), roles: ["device"], groups: ["hall"] }, fan: { secret: stored("fan-secret") } } });
const remote = "192.0.2.1:5000";
const refused = { reason: "secret", code: "UNAUTHENTICATED" };

test("DeviceSecrets.check() lets a device in with its own secret only", async () => {
  const secrets = createDeviceSecrets(devices, fakeClock());
  const { voucher, ...identity } = await secrets.check("lamp", "lamp-secret", { remote });
  assert.deepEqual(identity, { id: "lamp", roles: ["device"], groups: ["hall"] });
  assert.deepEqual([voucher!, "secret lamp", "secret fan x"].map((text) => secrets.counts(text)), [true, false, false]);
  await assert.rejects(secrets.check("lamp", "fan-secret", { remote }), refused);
  await assert.rejects(secrets.check("lamp", "", { remote }), refused);
  await assert.rejects(secrets.check("lamp/left", "lamp-secret", { remote }), refused);
});

test("DeviceSecrets.check() answers an unknown device in the same words as a wrong secret", async () => {
  const secrets = createDeviceSecrets(devices, fakeClock());
  const message = async (id: string): Promise<string> => secrets.check(id, "guess-guess", { remote }).then(() => "let in", (error: unknown) => String(error));
  const known = await message("lamp");
  for (const id of ["nobody", "constructor", "__proto__"]) assert.equal(await message(id), known);
});

test("DeviceSecrets.check() spends as much time on an unknown device as on a wrong secret", async () => {
  const expensive = scryptSync("real-secret", Buffer.alloc(16), 32, { N: 16_384, r: 8, p: 1 }).toString("base64url");
  const one = v.parse(configSchema, { devices: { lamp: { secret: `scrypt$16384$8$1$${Buffer.alloc(16).toString("base64url")}$${expensive}` } } }).devices;
  const secrets = createDeviceSecrets(one, fakeClock());
  const spent = async (id: string, at: number): Promise<number> => {
    const start = performance.now();
    await assert.rejects(secrets.check(id, "guess-guess", { remote: `192.0.2.${at}` }), refused);
    return performance.now() - start;
  };
  const shortest = { lamp: Infinity, nobody: Infinity };
  for (let at = 0; at < 5; at++) {
    shortest.lamp = Math.min(shortest.lamp, await spent("lamp", at));
    shortest.nobody = Math.min(shortest.nobody, await spent("nobody", at));
  }
  // Without a decoy an unknown device costs microseconds; a factor of 3 leaves room for a busy machine.
  assert.ok(shortest.nobody > shortest.lamp / 3, `${shortest.nobody} ms against ${shortest.lamp} ms`);
});

test("DeviceSecrets.check() lets only three of a hundred guesses at once through to the hash, then makes them wait", async () => {
  const clock = fakeClock();
  const secrets = createDeviceSecrets(devices, clock);
  const guesses = await Promise.allSettled(Array.from({ length: 100 }, (_, at) => secrets.check("lamp", `guess-${at}`, { remote: `192.0.2.1:${5000 + at}` })));
  const reasons = guesses.map((guess) => (guess.status === "rejected" ? String((guess.reason as { reason: string }).reason) : "in"));
  assert.equal(reasons.filter((reason) => reason === "secret").length, 3);
  assert.equal(reasons.filter((reason) => reason === "throttled").length, 97);
  await assert.rejects(secrets.check("lamp", "lamp-secret", { remote }), { reason: "throttled" });
  assert.equal((await secrets.check("lamp", "lamp-secret", { remote: "192.0.2.9:1" })).id, "lamp");
  await clock.advance(500);
  assert.equal((await secrets.check("lamp", "lamp-secret", { remote })).id, "lamp");
});

test("DeviceSecrets.check() refuses what does not fit into its line, and counts it as nobody's failure", async () => {
  const secrets = createDeviceSecrets(devices, fakeClock());
  const attempts = await Promise.allSettled(Array.from({ length: 300 }, (_, at) => secrets.check("lamp", "lamp-secret", { remote: `10.0.${at >> 8}.${at & 255}` })));
  const refusals = attempts.filter((attempt) => attempt.status === "rejected");
  assert.equal(refusals.length, 300 - 202);
  for (const { reason } of refusals) assert.equal((reason as { reason: string }).reason, "overload");
  for (let at = 0; at < 4; at++) assert.equal((await secrets.check("lamp", "lamp-secret", { remote: "10.0.1.43" })).id, "lamp");
});

test("DeviceSecrets.check() refuses at once when no device has a secret, or the secret is too long", async () => {
  await assert.rejects(createDeviceSecrets({}, fakeClock()).check("lamp", "x", { remote }), { reason: "malformed" });
  await assert.rejects(createDeviceSecrets(devices, fakeClock()).check("lamp", "x".repeat(1025), { remote }), refused);
});
