import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { DataType, DataValue, resolveNodeId, StatusCodes, Variant } from "node-opcua-client";
import { callMethod, readSignatures, resolveMethods, type MethodTarget } from "./methods.ts";
import { parseNodeAddress } from "./node-id.ts";
import { resolveNode } from "./resolve-nodes.ts";
import type { ServerView } from "./server-view.ts";
import { type ConnectedFixture, openConnectedFixture } from "./testing/connect.ts";
import { fromJson } from "./value-input.ts";
import { toJson } from "./values.ts";
import { writeTags } from "./writes.ts";

const signal = new AbortController().signal;
let fixture: ConnectedFixture;
let view: ServerView;
let scale: MethodTarget;

before(async () => {
  fixture = await openConnectedFixture();
  view = fixture.view;
  scale = (await resolveMethods(view, [{ name: "scale", object: "/Objects/Plant/press-1", method: "scale" }], { signal }))[0] as MethodTarget;
});
after(() => fixture.close());

const nodeOf = (tag: string) => (tag === "ghost" ? resolveNodeId("ns=3;s=ghost") : fixture.press.variables[tag]?.nodeId);
const write = (set: Readonly<Record<string, unknown>>) => writeTags(view, set, { nodeOf, signal });

const taken: readonly (readonly [tag: string, value: unknown, held?: unknown])[] = [
  ["boolean", false],
  ["sbyte", -128],
  ["byte", 255],
  ["int16", 32767],
  ["uint16", 0],
  ["int32", -2147483648],
  ["uint32", 4294967295],
  ["int64", "-9223372036854775808"],
  ["int64", -5],
  ["int64", "7", 7],
  ["uint64", "18446744073709551615"],
  ["float", 0.5],
  ["double", -1e300],
  ["double", "Infinity"],
  ["string", "Öl"],
  ["datetime", "2030-12-31T23:59:59.999Z"],
  ["datetime", 0, "1970-01-01T00:00:00.000Z"],
  ["guid", "00000000-0000-0000-0000-00000000000A"],
  ["bytestring", { $base64: "AAEC" }],
  ["xml", "<b/>"],
  ["localized", "press"],
  ["localized", { locale: "en", text: "oil press" }, "oil press"],
  ["nodeid", "nsu=urn:busbar:test:plant;s=Plant"],
  ["nodeid", "ns=3;s=press-1", "nsu=urn:busbar:test:plant;s=press-1"],
  ["qualified", "nsu=urn:busbar:test:plant;x"],
  ["qualified", "3:y", "nsu=urn:busbar:test:plant;y"],
  ["status", "BadOutOfService"],
  ["number", 1234],
  ["doubles", [9, 8.5]],
  ["doubles", []],
  ["strings", ["x"]],
  ["uint64s", [1, "18446744073709551615"]],
  ["matrix", [[6, 5, 4], [3, 2, 1]]],
  ["state", "Pressing"],
  ["state", 7, "Jammed"],
  ["old-mode", "Manual"],
  ["gear", "Fast"],
  ["gear", 0, "Off"],
  ["limit", { Count: 3 }],
  ["points", [{ X: 5, Y: 6 }]],
  ["temperature", 99.5],
  ["recipe", { Name: "wine", Steps: [], Origin: { X: -1, Y: 0.5 }, Path: [{ X: 1, Y: 1 }], State: "Idle", Produced: "18446744073709551615", Made: "2026-06-01T00:00:00.000Z", Comment: "sour" }],
  ["recipe", { Name: "oil", Steps: [4], Origin: { X: 0, Y: 0 }, Path: [], State: "Jammed", Produced: 1, Made: "2026-06-01T00:00:00.000Z" }],
];

test("writeTags() writes values of every type, and gives back what the node holds then", async () => {
  for (const [tag, value, held = value] of taken) assert.deepEqual(await write({ [tag]: value }), { [tag]: held }, `${tag} ${JSON.stringify(value)}`);
  const many = { boolean: true, int16: 5, state: "Idle", doubles: [1], temperature: 21 };
  assert.deepEqual(await write(many), many);
});

const refused: readonly (readonly [tag: string, value: unknown, code: string, message: RegExp])[] = [
  ["nothing", 1, "NO_SUCH_TAG", /"nothing": there is no such tag/],
  ["ghost", 1, "NO_SUCH_TAG", /BadNodeIdUnknown/],
  ["read-only", 2, "READ_ONLY", /only read it/],
  ["boolean", 1, "WRONG_TYPE", /expected true or false, got 1/],
  ["int16", 1.5, "WRONG_TYPE", /expected a whole number, got 1.5/],
  ["int16", "1", "WRONG_TYPE", /a whole number/],
  ["int16", 32768, "OUT_OF_RANGE", /32768 is not within -32768 to 32767/],
  ["byte", -1, "OUT_OF_RANGE", /not within 0 to 255/],
  ["uint64", -1, "OUT_OF_RANGE", /not within 0/],
  ["int64", "9223372036854775808", "OUT_OF_RANGE", /is not within/],
  ["float", 1e39, "OUT_OF_RANGE", /beyond a Float/],
  ["double", "12", "WRONG_TYPE", /a number/],
  ["double", [1], "WRONG_TYPE", /expected one value, got an array/],
  ["double", null, "WRONG_TYPE", /got null/],
  ["string", 5, "WRONG_TYPE", /a text/],
  ["datetime", "yesterday", "WRONG_TYPE", /a moment such as/],
  ["guid", "x", "WRONG_TYPE", /a GUID/],
  ["bytestring", "AAEC", "WRONG_TYPE", /base64/],
  ["nodeid", "nsu=urn:elsewhere;i=1", "WRONG_TYPE", /a node id/],
  ["status", "BadLuck", "WRONG_TYPE", /StatusCode/],
  ["doubles", 1, "WRONG_TYPE", /expected an array of values, got one value/],
  ["doubles", [1, "x"], "WRONG_TYPE", /"doubles"\[1\]: expected a number/],
  ["matrix", [[1, 2, 3], [4]], "WRONG_TYPE", /rows of a matrix/],
  ["matrix", [[1, 2, 3, 4], [1, 2, 3, 4]], "OUT_OF_RANGE", /4 elements in dimension 2, at most 3/],
  ["state", "Broken", "WRONG_TYPE", /one of Idle, Pressing, Jammed/],
  ["gear", "Reverse", "WRONG_TYPE", /one of Off, Slow, Fast/],
  ["state", 3, "WRONG_TYPE", /one of Idle, Pressing, Jammed/],
  ["temperature", 121, "OUT_OF_RANGE", /121 is not within 0 to 120/],
  ["temperature", "NaN", "OUT_OF_RANGE", /NaN is not within 0 to 120/],
  ["limit", { Force: 1, Count: 1 }, "WRONG_TYPE", /is a union/],
  ["points", [{ X: 1 }], "WRONG_TYPE", /"points"\[0\]: Point needs the field "Y"/],
  ["points", [{ X: 1, Y: 2, Z: 3 }], "WRONG_TYPE", /Point has no field "Z", it has X, Y/],
  ["recipe", { Name: "a", Steps: [1], Origin: { X: 1, Y: "b" }, Path: [], State: 0, Produced: 1, Made: 0 }, "WRONG_TYPE", /"recipe".Origin.Y: expected a number, got "b"/],
  ["recipe", "oil", "WRONG_TYPE", /expected a Recipe as an object/],
];

test("writeTags() refuses what does not fit and writes nothing of it", async () => {
  await write({ double: 1 });
  for (const [tag, value, code, message] of refused) await assert.rejects(write({ double: 2, [tag]: value }), { code, message }, `${tag} ${JSON.stringify(value)}`);
  assert.equal(fixture.press.variables["double"]!.readValue().value.value, 1, "the good half of a command was not written");
  await assert.rejects(write({}), { code: "BAD_COMMAND" });
});

test("writeTags() passes on what the server says, with what was written all the same", async () => {
  const { variables } = fixture.press;
  variables["string"]!.bindVariable({ timestamped_get: () => new DataValue({ value: new Variant({ dataType: DataType.String, value: "as it was" }) }), timestamped_set: async (_: DataValue) => StatusCodes.BadOutOfRange } as never, true);
  await assert.rejects(write({ boolean: true, string: "no" }), { code: "OUT_OF_RANGE", status: "BadOutOfRange", message: 'Cannot write "string": the server says BadOutOfRange; written: "boolean"' });
});

test("fromJson() and toJson() go there and back for any number, text and moment", async () => {
  const types = { [DataType.Double]: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value)), [DataType.Int64]: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), [DataType.UInt64]: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), [DataType.Int32]: fc.integer(), [DataType.String]: fc.string({ unit: "binary" }), [DataType.DateTime]: fc.date({ noInvalidDate: true, min: new Date("1601-01-02"), max: new Date("9999-01-01") }).map((date) => date.toISOString()) };
  for (const [name, arbitrary] of Object.entries(types)) {
    const dataType = { nodeId: resolveNodeId(`i=${name}`), name, builtIn: Number(name) as DataType, abstract: false, enumeration: undefined };
    await fc.assert(
      fc.asyncProperty(arbitrary as fc.Arbitrary<unknown>, async (drawn) => {
        const json = typeof drawn === "bigint" ? (Number.isSafeInteger(Number(drawn)) ? Number(drawn) : String(drawn)) : drawn;
        const variant = await fromJson(json, { dataType, valueRank: -1, arrayDimensions: [], range: undefined, enumeration: undefined }, { session: view.session, namespaces: [], what: "it" });
        assert.deepEqual(toJson(variant), json);
      }),
      { numRuns: 50 },
    );
  }
});

test("callMethod() takes arguments by name and by place and gives outputs by name", async () => {
  const [signature] = await readSignatures(view, [scale.method], { signal });
  assert.deepEqual(signature!.inputs.map(({ name, dataType, description }) => [name, dataType.name, description]), [["value", "Double", "what to scale"], ["factor", "Int32", "by what"]]);
  assert.deepEqual(await callMethod(view, scale, { given: { factor: 3, value: 1.5 }, signal }), { result: 4.5 });
  assert.deepEqual(await callMethod(view, scale, { given: [2, -2], signal }), { result: -4 });
});

test("callMethod() refuses arguments that do not fit, and passes on what the server says", async () => {
  for (const [given, code, message] of [
    [{ value: 1 }, "BAD_COMMAND", /"factor" is missing; it takes value: Double, factor: Int32/],
    [{ value: 1, factor: 1, more: 1 }, "BAD_COMMAND", /no argument "more"/],
    [[1], "BAD_COMMAND", /1 arguments/],
    ["x", "BAD_COMMAND", /an object or an array/],
    [{ value: 1, factor: 1.5 }, "WRONG_TYPE", /argument "factor": expected a whole number/],
  ] as const) await assert.rejects(callMethod(view, scale, { given, signal }), { code, message });
  const object = await resolveNode(view, parseNodeAddress("/Objects/Plant/press-1"), { signal });
  const [stop, none] = await resolveMethods(view, [{ name: "stop", object: "nsu=urn:busbar:test:plant;s=press-1", method: "3:stop" }, { name: "none", object: "/Objects/Plant/press-1", method: "none" }], { signal });
  await assert.rejects(callMethod(view, stop as MethodTarget, { given: {}, signal }), { code: "FAILED", status: "BadInvalidState" });
  assert.match((none as { readonly problem: string }).problem, /"none" is not below ns=3;s=press-1/);
  await assert.rejects(callMethod(view, { name: "ghost", object, method: resolveNodeId("ns=3;s=ghost") }, { given: {}, signal }), { code: "NO_SUCH_METHOD", status: "BadNodeIdUnknown" });
});
