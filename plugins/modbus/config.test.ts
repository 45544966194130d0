import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { configSchema, unitsOf } from "./config.ts";

const point = { tag: "a", table: "holding", address: 0 };
const device = (more: object = {}) => ({ id: "d", points: [point], ...more });
const config = (more: object = {}) => ({ host: "plc", devices: [device()], ...more });
const withPoint = (more: object) => config({ devices: [device({ points: [{ tag: "a", ...more }] })] });

/** What is wrong, as `path: message`. */
function problems(value: unknown): readonly string[] {
  const { issues = [] } = v.safeParse(configSchema, value);
  return issues.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`);
}

for (const [what, value] of [
  ["the least there is to say", config()],
  ["a serial line", { serial: { path: "/dev/ttyUSB0" }, devices: [device()] }],
  ["40001 notation as a number and as text", config({ devices: [device({ points: [{ tag: "a", register: 40001 }, { tag: "b", register: "00001" }, { tag: "c", register: 400001 }] })] })],
  ["many units", config({ devices: [device({ id: "m/{unit}", units: "1-20,30" })] })],
  ["a group", config({ devices: [device({ groups: { fast: "100ms" }, points: [{ ...point, group: "fast" }] })] })],
] as const) {
  test(`configSchema takes ${what}`, () => assert.deepEqual(problems(value), []));
}

for (const [what, value, expected] of [
  ["neither host nor serial", { devices: [device()] }, /^host: is missing/],
  ["both", config({ serial: { path: "/dev/ttyS0" } }), /^serial: stands beside host/],
  ["an address without a table", withPoint({ address: 100 }), /^devices\.0\.points\.0\.address: is not enough: say \{table: holding, address: 0\}/],
  ["a bare number", withPoint({ register: 100 }), /^devices\.0\.points\.0\.register: must be in 40001 notation/],
  ["a table without an address", withPoint({ table: "holding" }), /^devices\.0\.points\.0\.address: is missing/],
  ["both ways to say where", withPoint({ ...point, register: 40001 }), /register: stands beside table or address/],
  ["no place at all", withPoint({}), /table: is not enough/],
  ["a number in a table of bits", withPoint({ table: "coil", address: 0, type: "uint16" }), /type: must be bool/],
  ["a bool without a bit", withPoint({ ...point, type: "bool" }), /bit: is missing/],
  ["a string without a length", withPoint({ ...point, type: "string" }), /length: is missing/],
  ["a string in cdab", withPoint({ ...point, type: "string", length: 4, order: "cdab" }), /order: must be abcd or badc/],
  ["a writable input register", withPoint({ table: "input", address: 0, writable: true }), /writable: must be false/],
  ["a value beyond the last address", withPoint({ table: "holding", address: 65_535, type: "uint32" }), /address: reaches beyond/],
  ["an array longer than a request", withPoint({ ...point, count: 126 }), /count: takes 126 cells/],
  ["an unknown group", withPoint({ ...point, group: "fast" }), /group: is not one of groups: default/],
  ["the same tag twice", config({ devices: [device({ points: [point, point] })] }), /points\.1\.tag: is taken/],
  ["the same device twice", config({ devices: [device(), device()] }), /devices\.1\.id: is taken/],
  ["units without a place in the id", config({ devices: [device({ units: "1-3" })] }), /id: must hold \{unit\}/],
  ["units the wrong way round", config({ devices: [device({ id: "m-{unit}", units: "9-3" })] }), /units: must be ids/],
  ["unit 0 on a line", { ...config({ devices: [device({ unit: 0 })] }), framing: "rtu" }, /unit: must be 1 to 247 on a line/],
  ["an id that is none", config({ devices: [device({ id: "a b" })] }), /id: must be an id/],
  ["an unknown key", config({ slave: 1 }), /slave/],
] as const) {
  test(`configSchema refuses ${what}`, () => {
    const found = problems(value);
    assert.ok(found.some((one) => expected.test(one)), `${expected} is not among ${JSON.stringify(found)}`);
  });
}

test("unitsOf() writes out what an entry stands for", () => {
  const [entry] = v.parse(configSchema, config({ devices: [device({ id: "m/{unit}", units: "1-3,9" })] })).devices;
  assert.deepEqual(unitsOf(entry!).map(({ id, unit }) => [id, unit]), [["m/1", 1], ["m/2", 2], ["m/3", 3], ["m/9", 9]]);
});
