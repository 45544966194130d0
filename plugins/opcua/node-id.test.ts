import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nodeIdOf } from "./node-id-of.ts";
import { formatNodeId, formatStep, parseNodeAddress } from "./node-id.ts";

const namespaces = ["http://opcfoundation.org/UA/", "urn:server", "http://example.com/plant?a=1;b=100%"];

const ids: readonly (readonly [text: string, namespace: number | string, identifier: string, formatted: string])[] = [
  ["i=2258", 0, "i=2258", "i=2258"],
  ["ns=0;i=85", 0, "i=85", "i=85"],
  ["ns=1;s=boiler-1.temperature", 1, "s=boiler-1.temperature", "nsu=urn:server;s=boiler-1.temperature"],
  ["nsu=urn:server;s=a;b=c", "urn:server", "s=a;b=c", "nsu=urn:server;s=a;b=c"],
  ["nsu=http://example.com/plant?a=1%3Bb=100%25;i=7", "http://example.com/plant?a=1;b=100%", "i=7", "nsu=http://example.com/plant?a=1%3Bb=100%25;i=7"],
  ["ns=2;g=72962b91-fa75-4ae6-8d28-b404dc7daf63", 2, "g=72962b91-fa75-4ae6-8d28-b404dc7daf63", "nsu=http://example.com/plant?a=1%3Bb=100%25;g=72962B91-FA75-4AE6-8D28-B404DC7DAF63"],
  ["ns=2;b=YnVzYmFy", 2, "b=YnVzYmFy", "nsu=http://example.com/plant?a=1%3Bb=100%25;b=YnVzYmFy"],
  ["ns=9;s=of a namespace that is not there", 9, "s=of a namespace that is not there", "ns=9;s=of a namespace that is not there"],
];

test("parseNodeAddress() and formatNodeId() go there and back", () => {
  for (const [text, namespace, identifier, formatted] of ids) {
    const address = parseNodeAddress(text);
    assert.deepEqual(address, { kind: "id", namespace, identifier }, text);
    const nodeId = nodeIdOf(address as Extract<typeof address, { kind: "id" }>, namespaces)!;
    assert.equal(formatNodeId(nodeId, namespaces), formatted);
    const again = parseNodeAddress(formatted);
    assert.equal(nodeIdOf(again as Extract<typeof again, { kind: "id" }>, namespaces)!.toString(), nodeId.toString());
  }
  assert.equal(nodeIdOf({ kind: "id", namespace: "urn:elsewhere", identifier: "i=1" }, namespaces), undefined);
});

test("parseNodeAddress() reads browse paths with and without namespaces", () => {
  assert.deepEqual(parseNodeAddress("/Objects/Plant/2:press-1/nsu=http://example.com/plant;motor/a&/b.c&:&&/grün"), {
    kind: "path",
    steps: [
      { namespace: undefined, name: "Objects" },
      { namespace: undefined, name: "Plant" },
      { namespace: 2, name: "press-1" },
      { namespace: "http://example.com/plant", name: "motor" },
      { namespace: undefined, name: "a/b.c:&" },
      { namespace: undefined, name: "grün" },
    ],
  });
});

test("parseNodeAddress() refuses what is no address and says why", () => {
  for (const [text, reason] of [
    ["", /expected ns=2;s=name/],
    ["temperature", /expected ns=2;s=name/],
    ["ns=2;temperature", /expected ns=2;s=name/],
    ["ns=x;i=1", /expected/],
    ["ns=70000;i=1", /0 to 65535/],
    ["i=4294967296", /a number from 0/],
    ["i=-1", /a number from 0/],
    ["ns=1;s=", /wants a text/],
    ["ns=1;g=1234", /wants a GUID/],
    ["ns=1;b=***", /wants base64/],
    ["/", /a step of a path/],
    ["/Objects//x", /a step of a path/],
    ["/Objects/", /a step of a path/],
    ["/Objects/a:b:c", /a step of a path/],
    ["/Objects/70000:x", /a step of a path/],
    [`/${"x".repeat(5_000)}`, /longer than 4096/],
  ] as const) assert.throws(() => parseNodeAddress(text), (error) => error instanceof SyntaxError && reason.test(error.message), text.slice(0, 40));
});

test("formatStep() writes any name so that parseNodeAddress() reads it back", () => {
  const uri = fc.constantFrom(undefined, namespaces);
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20, unit: "binary" }), fc.integer({ min: 0, max: 5 }), uri, (name, namespace, known) => {
      const address = parseNodeAddress(`/Objects/${formatStep({ namespace, name }, known)}`);
      assert.equal(address.kind, "path");
      const step = address.kind === "path" ? address.steps[1]! : assert.fail();
      const index = step.namespace === undefined ? 0 : typeof step.namespace === "number" ? step.namespace : namespaces.indexOf(step.namespace);
      assert.deepEqual([index, step.name], [namespace, name]);
    }),
    { numRuns: 300 },
  );
});

test("parseNodeAddress() gives an address or a SyntaxError for any text", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^(\/|ns=|nsu=|[isgb]=|;|:|&|%|\d|a){0,30}$/)), (text) => {
      try {
        parseNodeAddress(text);
      } catch (error) {
        assert.ok(error instanceof SyntaxError);
      }
    }),
    { numRuns: 500 },
  );
});
