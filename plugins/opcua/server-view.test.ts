import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BrowseDescriptionOptions, DataType, type NodeId, type ReadValueIdOptions, resolveNodeId, StatusCode, Variant, VariantArrayType } from "node-opcua-client";
import { browseTree, formatPath } from "./browse.ts";
import { formatNodeId, parseNodeAddress } from "./node-id.ts";
import { resolveNode, resolveNodes } from "./resolve-nodes.ts";
import { openServerView, ServerView } from "./server-view.ts";
import { type ConnectedFixture, openConnectedFixture } from "./testing/connect.ts";
import { toJson } from "./values.ts";
import { readVariables, type VariableInfo } from "./variable.ts";

const signal = new AbortController().signal;
const node = (name: string): string => `nsu=urn:busbar:test:plant;s=${name}`;
let fixture: ConnectedFixture;
let view: ServerView;

before(async () => {
  fixture = await openConnectedFixture({ namespacesBefore: ["urn:a", "urn:b"] });
  view = fixture.view;
});
after(() => fixture.close());

const find = (...texts: readonly string[]) => resolveNodes(view, texts.map(parseNodeAddress), { signal });
const nodeId = (text: string): Promise<NodeId> => resolveNode(view, parseNodeAddress(text), { signal });

test("resolveNodes() finds ids by index and URI and paths with and without namespaces", async () => {
  const found = await find(
    "/Objects/Plant/press-1/temperature",
    "/Objects/5:Plant/press-1/5:temperature",
    "/Objects/nsu=urn:busbar:test:plant;Plant/press-1/temperature/EURange",
    "ns=5;s=press-1.int64",
    node("press-1.int64"),
    "i=2258",
    "/Objects/Plant/nothing/here",
    "/Objects/nsu=urn:elsewhere;Plant",
    "/Nothing",
    "nsu=urn:elsewhere;i=3",
  );
  assert.deepEqual(found.map((each) => ("nodeId" in each ? formatNodeId(each.nodeId, view.namespaces) : each.problem)), [
    node("press-1.temperature"),
    node("press-1.temperature"),
    node("press-1.temperature-EURange"),
    node("press-1.int64"),
    node("press-1.int64"),
    "i=2258",
    '"nothing" is not below /Objects/Plant',
    'the server has no namespace "urn:elsewhere"',
    '"Nothing" is not below the root, which has Objects, Types and Views',
    'the server has no namespace "urn:elsewhere"',
  ]);
  await assert.rejects(nodeId("/Objects/Plant/nothing"), { code: "NO_SUCH_TAG", message: /"nothing" is not below \/Objects\/Plant/ });
});

test("resolveNodes() takes the name in the parent's namespace where there are several, and asks which where that does not tell", async () => {
  const space = fixture.server.engine.addressSpace!;
  const [a, b, plant] = ["urn:a", "urn:b", "urn:busbar:test:plant"].map((uri) => space.getNamespace(uri)) as [ReturnType<typeof space.getNamespace>, ReturnType<typeof space.getNamespace>, ReturnType<typeof space.getNamespace>];
  const parent = a.addObject({ browseName: "twins", nodeId: "s=twins", organizedBy: space.findNode(`ns=${plant.index};s=Plant`)! });
  for (const namespace of [a, b]) namespace.addObject({ browseName: "same", nodeId: "s=same", componentOf: parent });
  for (const namespace of [b, plant]) namespace.addObject({ browseName: "other", nodeId: "s=other", componentOf: parent });
  const [own, other] = await find("/Objects/Plant/twins/same", "/Objects/Plant/twins/other");
  assert.equal("nodeId" in own! && formatNodeId(own.nodeId, view.namespaces), "nsu=urn:a;s=same");
  assert.match("problem" in other! ? other.problem : "", /other is there in namespaces 4 and 5: write which, such as 4:other/);
  space.deleteNode(parent);
});

const expected: Readonly<Record<string, unknown>> = {
  boolean: true, sbyte: -12, byte: 200, int16: -1234, uint16: 54321, int32: -123456, uint32: 4000000000, int64: -2, uint64: "18446744073709551615", float: 1.5, double: 3.25, string: "grün",
  datetime: "2026-01-02T03:04:05.678Z", guid: "72962B91-FA75-4AE6-8D28-B404DC7DAF63", bytestring: { $base64: "YnVzYmFy" }, xml: "<a>1</a>", localized: "Ölpresse", nodeid: node("press-1"), qualified: "nsu=urn:busbar:test:plant;press-1",
  status: "BadNoCommunication", number: 3, "read-only": 1, doubles: [1, 2.5, 3], strings: ["a", "b"], uint64s: [7, "9007199254740993"], matrix: [[1, 2, 3], [4, 5, 6]], state: "Jammed", limit: { Force: 12.5 }, points: [{ X: 1, Y: 2 }, { X: 3, Y: 4 }],
  recipe: { Name: "oil", Steps: [1, 2, 3], Origin: { X: 1, Y: 2 }, Path: [{ X: 0, Y: 0 }, { X: 1.5, Y: 2.5 }], State: "Pressing", Produced: 12, Made: "2026-01-02T03:04:05.678Z" }, temperature: 20, gear: "Slow", "old-mode": "Automatic",
};

test("browseTree() finds variables with type, unit, range, access and names, and toJson() writes their values", async () => {
  const { nodes, cut } = await browseTree(view, await nodeId("/Objects/Plant"), { signal });
  assert.equal(cut, undefined);
  const values = await view.read(nodes, { signal });
  const json = nodes.flatMap(({ kind, steps, variable }, at) => (kind === "variable" ? [[steps.at(-1)!.name, toJson(values[at]!.value, { namespaces: view.namespaces, enumeration: variable?.enumeration })]] : []));
  assert.deepEqual(Object.fromEntries(json), expected);
  const about = new Map(nodes.map((found) => [formatPath("/Objects/Plant", found.steps), found]));
  const { unit, range, writable, history, dataType } = about.get("/Objects/Plant/5:press-1/5:temperature")!.variable!;
  assert.deepEqual([unit, range, writable, history, dataType.name], ["°C", { low: 0, high: 120 }, true, true, "Double"]);
  const state = about.get("/Objects/Plant/5:press-1/5:state")!.variable!;
  assert.deepEqual([state.dataType.name, [...state.enumeration!]], ["PressState", [[0, "Idle"], [1, "Pressing"], [7, "Jammed"]]]);
  assert.equal(about.get("/Objects/Plant/5:press-1/5:read-only")!.variable!.writable, false);
  const { valueRank, arrayDimensions } = about.get("/Objects/Plant/5:press-1/5:matrix")!.variable!;
  assert.deepEqual([valueRank, arrayDimensions], [2, [2, 3]]);
  assert.deepEqual(["scale", "temperature-alarm", "press-1"].map((name) => nodes.find(({ displayName }) => displayName === name)?.kind), ["method", "condition", "object"]);
  assert.ok(!nodes.some(({ displayName }) => displayName === "ActiveState"), "the state of a condition is no tag");
});

test("toJson() is not led astray by what a server may send", () => {
  let deep = new Variant({ dataType: DataType.Double, value: 1 });
  for (let level = 0; level < 500; level++) deep = new Variant({ dataType: DataType.Variant, arrayType: VariantArrayType.Array, value: [deep] });
  assert.match(JSON.stringify(toJson(deep)), /^\[{20,40}"…"\]+$/);
  const odd = (dimensions: number[], value: number[]) => toJson(Object.assign(new Variant(), { dataType: DataType.Double, arrayType: VariantArrayType.Matrix, dimensions, value: new Float64Array(value) }));
  assert.deepEqual(odd([2 ** 31, 0], []), []);
  assert.deepEqual(odd(new Array<number>(1_000).fill(1), [7]), [7]);
  assert.deepEqual(toJson(new Variant({ dataType: DataType.Double, value: Number.NaN })), "NaN");
  assert.equal(toJson(new Variant({ dataType: DataType.DateTime, value: new Date(Number.NaN) })), null);
  assert.equal(toJson(new Variant()), null);
});

test("browseTree() tells which bound it met", async () => {
  const start = await nodeId("/Objects/Plant");
  const whole = (await browseTree(view, start, { signal })).nodes.length;
  const shallow = await browseTree(view, start, { depth: 1, signal });
  assert.deepEqual([shallow.nodes.length, shallow.cut], [1, "depth"]);
  const few = await browseTree(view, start, { limit: 5, signal });
  assert.deepEqual([few.nodes.length, few.cut], [5, "limit"]);
  const exact = await browseTree(view, start, { limit: whole, depth: 2, signal });
  assert.deepEqual([exact.nodes.length, exact.cut], [whole, undefined]);
});

test("ServerView keeps to the server's limits and follows continuation points", async () => {
  const { operationLimits } = fixture.server.engine.serverCapabilities;
  const requests = { read: 0, browse: 0, next: 0 };
  Object.assign(operationLimits, { maxNodesPerRead: 7, maxNodesPerBrowse: 3 });
  const { session } = fixture;
  const most = session.requestedMaxReferencesPerNode;
  const counted = {
    readNamespaceArray: () => session.readNamespaceArray(),
    read(nodes: ReadValueIdOptions[]) {
      requests.read++;
      assert.ok(nodes.length <= 7, `${nodes.length} nodes to read`);
      return session.read(nodes);
    },
    browse(nodes: BrowseDescriptionOptions[]) {
      requests.browse++;
      assert.ok(nodes.length <= 3, `${nodes.length} nodes to browse`);
      return session.browse(nodes);
    },
    browseNext(points: Buffer[], release: boolean) {
      requests.next++;
      return session.browseNext(points, release);
    },
  };
  try {
    session.requestedMaxReferencesPerNode = 4;
    const limited = await openServerView({ ...counted, read: (nodes: ReadValueIdOptions[]) => session.read(nodes) } as never, { signal });
    assert.deepEqual([limited.limits.read, limited.limits.browse], [7, 3]);
    const start = await nodeId("/Objects/Plant");
    const found = await browseTree(new ServerView(counted as never, limited), start, { signal });
    assert.equal(found.nodes.length, (await browseTree(view, start, { signal })).nodes.length);
    assert.ok(requests.read > 10 && requests.browse > 5 && requests.next > 5, JSON.stringify(requests));
  } finally {
    session.requestedMaxReferencesPerNode = most;
    Object.assign(operationLimits, { maxNodesPerRead: 10_000, maxNodesPerBrowse: 10_000 });
  }
});

test("ServerView asks in smaller parts when the server finds a request too large", async () => {
  const sizes: number[] = [];
  const picky = { read: async (nodes: readonly unknown[]) => {
    sizes.push(nodes.length);
    if (nodes.length > 3) throw new Error("serviceResult = BadTooManyOperations (0x80100000)");
    return nodes.map(() => "answer");
  } };
  const limits = { ...view.limits, read: 10 };
  const answers = await new ServerView(picky as never, { namespaces: [], limits }).read(Array.from({ length: 8 }, () => ({ nodeId: "i=1" })), { signal });
  assert.equal(answers.length, 8);
  assert.deepEqual(sizes, [8, 4, 2, 2, 2, 2]);
  await assert.rejects(view.read([{ nodeId: "i=2258" }], { signal: AbortSignal.abort() }), { name: "AbortError" });
});

test("readVariables() gives the StatusCode of what is no variable in its place", async () => {
  const [missing, folder, good] = await readVariables(view, [resolveNodeId("ns=5;s=nothing"), await nodeId("/Objects/Plant"), await nodeId(node("press-1.double"))], { signal });
  assert.deepEqual([(missing as StatusCode).name, (folder as StatusCode).name, (good as VariableInfo).dataType.name], ["BadNodeIdUnknown", "BadAttributeIdInvalid", "Double"]);
});
