import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { parse } from "yaml";
import { configSchema } from "./config-schema.ts";

const issues = (config: unknown): string[] => {
  const result = v.safeParse(configSchema, config);
  return result.success ? [] : result.issues.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`);
};
const hash = `scrypt$16384$8$1$${"A".repeat(22)}$${"A".repeat(43)}`;

test("configSchema fills in defaults under which nobody but the key file's holder gets in", () => {
  assert.deepEqual(v.parse(configSchema, {}), {
    keyFile: "data/signing.key",
    jwks: [],
    enrolment: { roles: ["device"], ttl: 3_600_000, certificateDays: 365 },
    guessing: { free: 3, firstPause: 500, longestPause: 30_000, memory: 900_000, answerDelay: 3000 },
    registerFile: "data/identities.jsonl",
    keys: [],
    roles: {},
    groups: {},
    devices: {},
    messageKeys: {},
    certificates: {},
    certificateId: "none",
    certificateRoles: [],
    revoked: [],
    revocationsInterval: 5000,
    clockTolerance: 5000,
    cacheSize: 10_000,
  });
});

test("configSchema takes the section of examples/default", async () => {
  const text = await readFile(new URL("../../examples/default/busbar.yaml", import.meta.url), "utf8");
  const document: unknown = parse(text);
  const { plugins } = v.parse(v.object({ plugins: v.object({ "auth-jwt": v.unknown() }) }), document);
  const config = v.parse(configSchema, plugins["auth-jwt"]);
  assert.equal(config.keyFile, "data/signing.key");
  assert.deepEqual(config.roles["admin"]?.publish, ["#"]);
});

test("configSchema takes everything it describes", () => {
  assert.deepEqual(
    issues({
      keyFile: false,
      keys: [
        { algorithm: "HS256", secret: "x".repeat(32) },
        { algorithm: "RS256", kid: "idp", publicKeyFile: "idp.pem" },
        { algorithm: "ES256", publicKey: "-----BEGIN PUBLIC KEY-----" },
      ],
      roles: { guest: { subscribe: ["status/{id}/#", "status/group/{group}"], deny: { subscribe: ["status/+/private/#"] } } },
      groups: { kitchen: ["home-7/lamp", "home-8/#", "+/oven"] },
      devices: { "lamp-1": { secret: hash, roles: ["guest"], groups: ["kitchen"] } },
      certificates: { "plc.example.org": { id: "plc-101", roles: ["guest"] } },
      certificateId: "cn",
      certificateRoles: ["guest"],
      revoked: ["home-9"],
      revocationsFile: "data/revoked.txt",
      revocationsInterval: "10s",
      clockTolerance: "1m",
      cacheSize: 0,
    }),
    [],
  );
});

/** A mistake, where it is found, and a word of what is said. */
const mistakes: readonly (readonly [string, unknown, RegExp])[] = [
  ["an unknown key", { keyfile: "x" }, /^keyfile: /],
  ["the algorithm none", { keys: [{ algorithm: "none" }] }, /^keys\.0\.algorithm: must have an algorithm that is HS256, RS256, ES256 or EdDSA$/],
  ["a key set that anybody on the way could replace", { jwks: [{ url: "http://idp.example/jwks" }] }, /^jwks\.0\.url: must be an https URL/],
  ["a key set at an address that only begins like this machine's", { jwks: [{ url: "http://127.0.0.1.example/jwks" }] }, /^jwks\.0\.url: must be an https URL/],
  ["a password in the URL of a key set", { jwks: [{ url: "https://a:b@idp.example/jwks" }] }, /^jwks\.0\.url: must be/],
  ["a key set from nowhere", { jwks: [{ issuer: "x" }] }, /^jwks\.0: must have exactly one of url and file$/],
  ["a symmetric algorithm for a key set", { jwks: [{ file: "x", algorithms: ["HS256"] }] }, /^jwks\.0\.algorithms\.0: /],
  ["a key for a reserved id", { keys: [{ algorithm: "EdDSA", publicKey: "x", within: "server" }] }, /^keys\.0\.within: must not lie/],
  ["a key without material", { keys: [{ algorithm: "RS256" }] }, /^keys\.0: must have exactly one of publicKey and publicKeyFile$/],
  ["a key with both", { keys: [{ algorithm: "HS256", secret: "x", secretFile: "y" }] }, /^keys\.0: must have exactly one of secret and secretFile$/],
  ["a secret for a public-key algorithm", { keys: [{ algorithm: "RS256", secret: "x" }] }, /^keys\.0\.secret: /],
  ["an unknown placeholder", { roles: { a: { publish: ["status/{name}"] } } }, /^roles\.a\.publish\.0: must be a topic pattern/],
  ["a role name with a blank", { roles: { "a b": {} } }, /^roles\.a b: must be a role name/],
  ["a group of no pattern", { groups: { a: ["x/#/y"] } }, /^groups\.a\.0: must be a topic pattern/],
  ["a group name with two levels", { groups: { "a/b": [] } }, /^groups\.a\/b: must be a group name/],
  ["a device secret in plain text", { devices: { lamp: { secret: "hunter2hunter2" } } }, /^devices\.lamp\.secret: must be a hash/],
  ["a device with a reserved id", { devices: { "group/a": { secret: hash } } }, /^devices\.group\/a: must not lie below a reserved id/],
  ["a device with a wildcard", { devices: { "+": { secret: hash } } }, /^devices\.\+: must be an id/],
  ["a certificate for a reserved id", { certificates: { cn: { id: "all" } } }, /^certificates\.cn\.id: must not lie/],
  ["a revocation that would come too late", { revocationsInterval: "30s" }, /^revocationsInterval: /],
  ["a boundless cache", { cacheSize: 1e9 }, /^cacheSize: /],
  ["an empty file name", { keyFile: "" }, /^keyFile: /],
  ["keyFile: true", { keyFile: true }, /^keyFile: must be the path of a file, or false$/],
];

for (const [name, config, expected] of mistakes) {
  test(`configSchema refuses ${name}`, () => {
    const found = issues(config);
    assert.ok(found.some((text) => expected.test(text)), found.join("\n"));
  });
}

test("configSchema never repeats a secret in what it says", () => {
  assert.ok(!issues({ devices: { lamp: { secret: "hunter2hunter2" } } }).join().includes("hunter2"));
});

test("configSchema becomes a JSON Schema in which each field is described", () => {
  const { properties = {} } = toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" });
  for (const [name, property] of Object.entries(properties)) assert.ok(typeof property === "object" && property.description, `${name} has no description`);
  assert.deepEqual(Object.keys(properties), Object.keys(configSchema.entries));
});
