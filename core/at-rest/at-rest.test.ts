import assert from "node:assert/strict";
import { test } from "node:test";
import { AtRestKeys } from "./at-rest-keys.ts";
import { cutFields, restoreFields } from "./cut-fields.ts";
import { findPlaces, parseFieldPath } from "./field-path.ts";
import { SensitiveFields } from "./sensitive-fields.ts";

const payload = (): unknown => JSON.parse('{"name":"E","a":{"b":[1,{"c":null}]},"values":[{"tag":"x","value":1},{"tag":"y","value":2},{"tag":"x","value":3}],"n":[{"id":7}],"odd \\"name\\"":1,"__proto__":{"p":1}}');

const cases: readonly (readonly [path: string, places: unknown[]])[] = [
  ["payload", [[]]],
  ["payload.name", [["name"]]],
  ["payload.a.b[1].c", [["a", "b", 1, "c"]]],
  ["payload.a.b[*]", [["a", "b", 0], ["a", "b", 1]]],
  ["payload.values[tag=x].value", [["values", 0, "value"], ["values", 2, "value"]]],
  ['payload.values[tag="y"]', [["values", 1]]],
  ["payload.n[id=7]", [["n", 0]]],
  ['payload["odd \\"name\\""]', [["odd \"name\""]]],
  ["payload.__proto__.p", [["__proto__", "p"]]],
  ["payload.constructor", []],
  ["payload.name.length", []],
  ["payload.values.length", []],
  ["payload.missing[0].x", []],
];

for (const [path, places] of cases) {
  test(`findPlaces() of ${path}, and what is cut there comes back`, () => {
    const found = findPlaces(payload(), parseFieldPath(path)!);
    assert.deepEqual(found, places);
    const { rest, cut } = cutFields(payload(), found, "k1");
    for (const [place] of cut) assert.deepEqual(place.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], rest), { $encrypted: "k1" });
    assert.equal(JSON.stringify(restoreFields(JSON.parse(JSON.stringify(rest)), JSON.parse(JSON.stringify(cut)))!.payload), JSON.stringify(payload()));
  });
}

test("parseFieldPath() refuses what is no path", () => {
  for (const text of ["", "name", "payloads", "payload.", "payload..a", "payload[", "payload[a]", "payload[=x]", "payload[a=]", "payload.a b", 'payload["a]', "payload[-1]", `payload${".a".repeat(33)}`]) assert.equal(parseFieldPath(text), undefined, text);
});

test("restoreFields() refuses places that are not there", () => {
  assert.equal(restoreFields({ a: 1 }, [[["b"], 1]]), undefined);
  assert.equal(restoreFields({ a: 1 }, [[["__proto__", "polluted"], 1]]), undefined);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

test("SensitiveFields.placesIn() takes the outermost place of each field, and looks into what a message carries", () => {
  const fields = new SensitiveFields([{ topics: ["status/#"], fields: ["payload.a.b", "payload.a", "payload.a"] }, { topics: ["event/x"], fields: ["payload"] }]);
  assert.deepEqual(fields.placesIn("status/d", "status", { a: { b: 1 } }), [["a"]]);
  assert.deepEqual([fields.concerns("status/d", "status"), fields.concerns("event/y", "event"), fields.concerns("dead-letter/r", "dead-letter")], [true, false, true]);
  assert.deepEqual(fields.placesIn("dead-letter/r", "dead-letter", { message: { type: "event", from: "x", to: "server", payload: 5 } }), [["message", "payload"]]);
  assert.deepEqual(fields.placesIn("will/1", "will", { id: "d", will: { type: "command", from: "d", to: "server", payload: 5 } }), []);
  assert.deepEqual(fields.placesIn("will/1", "will", { id: "d", will: { type: "status", from: "d", to: "server", payload: { a: 5 } } }), [["will", "payload", "a"]]);
  assert.deepEqual([fields.placesIn("route-state/gateway/r", "route-state", { offset: 1, steps: {} }), fields.concerns("route-state/gateway/r", "route-state")], [[[]], true], "it may come from anywhere");
  assert.deepEqual(new SensitiveFields([]).placesIn("route-state/gateway/r", "route-state", {}), []);
});

test("AtRestKeys.open() opens what seal() made with any of the keys, and nothing that was changed, moved or cut", () => {
  const bytes = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
  const old = new AtRestKeys([{ id: "a", bytes: bytes(1) }]);
  const keys = new AtRestKeys([{ id: "b", bytes: bytes(2) }, { id: "a", bytes: bytes(1) }]);
  const bound = [Buffer.from("here")];
  const box = old.seal(Buffer.from("secret"), bound);
  assert.equal(keys.open("a", box, bound)?.toString(), "secret");
  assert.notDeepEqual(old.seal(Buffer.from("secret"), bound), box, "no nonce comes twice");
  assert.equal(keys.open("b", box, bound), undefined, "another key");
  assert.equal(keys.open("a", box, [Buffer.from("there")]), undefined, "another place");
  for (let at = 0; at < box.length; at++) {
    const changed = Buffer.from(box);
    changed[at]! ^= 1;
    assert.equal(keys.open("a", changed, bound), undefined, `byte ${at}`);
    assert.equal(keys.open("a", box.subarray(0, at), bound), undefined, `cut at ${at}`);
  }
  assert.deepEqual([keys.isKey("a", old.checkValue("a")), keys.isKey("b", old.checkValue("a")), keys.isKey("a", "x")], [true, false, false]);
  assert.throws(() => new AtRestKeys([{ id: "a", bytes: new Uint8Array(16) }]), RangeError);
});
