import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSecretName, parseRedactPaths, redacted, redactPayload } from "./redact.ts";

test("redactPayload() leaves out secrets by name and by look, at any depth, and keeps the rest as it is", () => {
  const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl";
  const cases: readonly (readonly [unknown, unknown])[] = [
    [{ temperature: 23.5, on: true, note: "a token of thanks" }, { temperature: 23.5, on: true, note: "a token of thanks" }],
    [{ password: "x", Pass_Word: "y", "api-key": 5, wifi: { PSK: "z" } }, { password: redacted, Pass_Word: redacted, "api-key": redacted, wifi: { PSK: redacted } }],
    [{ tokenValid: true, secret: null }, { tokenValid: true, secret: null }],
    [[{ deep: [{ secret: { a: 1 } }] }], [{ deep: [{ secret: redacted }] }]],
    [{ values: [{ tag: "password", value: "hunter2" }, { tag: "temperature", value: 1 }] }, { values: [{ tag: "password", value: redacted }, { tag: "temperature", value: 1 }] }],
    [`see ${jwt}!`, `see ${redacted}!`],
    [{ log: `Authorization: Bearer abcdef123456 sent` }, { log: `Authorization: Bearer ${redacted} sent` }],
    [{ url: "mqtt://anna:hunter2@broker/x" }, { url: `mqtt://${redacted}@broker/x` }],
    ["-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n", `${redacted}\n`],
    [{ $base64: Buffer.from(`cookie ${jwt}`).toString("base64") }, redacted],
    [{ $base64: "AQID" }, { $base64: "AQID" }],
    [{ [jwt]: 1 }, { [redacted]: 1 }],
    [JSON.parse('{"__proto__":{"secret":1}}'), JSON.parse(`{"__proto__":{"secret":"${redacted}"}}`)],
  ];
  for (const [payload, wanted] of cases) assert.equal(JSON.stringify(redactPayload(payload)), JSON.stringify(wanted));
  const plain = { a: [1, { b: "c" }] };
  assert.equal(redactPayload(plain), plain, "nothing is copied where nothing is secret");
});

test("redactPayload() leaves out the paths it is given", () => {
  const paths = parseRedactPaths("door.code,users.*.name,list.x");
  assert.deepEqual(redactPayload({ door: { code: 1234, open: true }, code: 1, users: { a: { name: "Anna", age: 3 } }, list: [{ x: 1 }, { y: 2 }] }, paths), {
    door: { code: redacted, open: true }, code: 1, users: { a: { name: redacted, age: 3 } }, list: [{ x: redacted }, { y: 2 }],
  });
  assert.throws(() => parseRedactPaths("a..b"), SyntaxError);
});

test("redactPayload() lets no planted secret through, wherever it lies", () => {
  const names = fc.constantFrom("password", "clientSecret", "X-Api-Key", "access_token", "Set-Cookie", "sessionId", "privateKey", "pin", "wifi_psk", "userPwd", "PSK", "pass", "pinCode", "bearer");
  const planted = fc.string({ minLength: 12, maxLength: 20, unit: fc.constantFrom(..."QZXJ0987") });
  const payload = (secret: string) => fc.letrec((tie) => ({
    node: fc.oneof({ maxDepth: 5 }, fc.integer(), fc.constant("plain"), fc.constant(null), fc.array(tie("node"), { maxLength: 3 }), fc.dictionary(fc.constantFrom("a", "b", "values"), tie("node"), { maxKeys: 3 }), names.map((name) => ({ [name]: secret })), names.map((name) => ({ tag: name, value: { deep: [secret] } })), names.map((name) => ({ [name]: [[secret]] }))),
  })).node;
  fc.assert(
    fc.property(planted.chain((secret) => fc.tuple(fc.constant(secret), payload(secret))), ([secret, value]) => {
      assert.ok(!JSON.stringify(redactPayload(value))?.includes(secret));
    }),
    { numRuns: 500 },
  );
  for (const name of ["temperature", "key", "mode", "machine", "opening", "passRate", "compass", "gpioPin", "author"]) assert.ok(!isSecretName(name), name);
});
