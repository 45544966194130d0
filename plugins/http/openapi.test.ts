import assert from "node:assert/strict";
import { test } from "node:test";
import { createFixture } from "./app-fixture.ts";

interface Operation {
  readonly operationId: string;
  readonly security?: unknown[];
  readonly parameters?: { readonly name: string; readonly in: string; readonly required: boolean; readonly schema: Record<string, unknown> }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: Record<string, unknown> }> };
  readonly responses: Record<string, unknown>;
}

async function readDocument(): Promise<{ openapi: string; paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, unknown> } }> {
  const { call } = await createFixture();
  return (await (await call("/openapi.json")).json()) as never;
}

test("openApiDocument() has every endpoint of WIRE §4", async () => {
  const { openapi, paths } = await readDocument();
  assert.equal(openapi, "3.1.0");
  const have = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`));
  const wanted = [
    "get /healthz", "get /readyz", "get /metrics", "post /api/messages", "post /api/readers/drop", "get /api/messages", "get /api/series", "get /api/series/export", "get /api/devices", "get /api/devices/{id}",
    "post /api/devices/{id}/commands", "get /api/commands/{msgid}", "get /api/audit", "get /api/plugins", "get /api/readers", "get /api/flows", "post /api/console/session",
    "get /api/dead-letters", "post /api/dead-letters/replay", "post /api/dead-letters/drop", "post /api/reload", "get /api/reload", "get /api/revocations", "post /api/revocations", "get /api/enrolments", "post /api/enrolments", "post /api/enrol", "post /api/enrol/renew",
  ];
  assert.deepEqual(have.sort(), wanted.sort());
});

test("openApiDocument() says what the schemas check", async () => {
  const { paths } = await readDocument();
  const { parameters } = paths["/api/messages"]!["get"]!;
  const limit = parameters!.find(({ name }) => name === "limit")!;
  assert.deepEqual({ in: limit.in, required: limit.required, type: limit.schema["type"], minimum: limit.schema["minimum"], maximum: limit.schema["maximum"], default: limit.schema["default"] }, { in: "query", required: false, type: "integer", minimum: 1, maximum: 10_000, default: 100 });
  assert.deepEqual(paths["/api/devices/{id}"]!["get"]!.parameters!.map(({ name, in: place, required }) => [name, place, required]), [["id", "path", true]]);
  const { schema } = paths["/api/devices/{id}/commands"]!["post"]!.requestBody!.content["application/json"]!;
  assert.deepEqual([schema["required"], schema["additionalProperties"]], [["payload"], false]);
});

test("openApiDocument() resolves every reference and names each operation once", async () => {
  const document = await readDocument();
  for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) assert.ok(Object.hasOwn(document.components.schemas, name!.replace("#/components/schemas/", "")), name);
  assert.ok(JSON.stringify(document.paths).includes("#/components/schemas/EnvelopeInput"));
  const ids = Object.values(document.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  assert.equal(new Set(ids).size, ids.length);
  for (const methods of Object.values(document.paths)) for (const { responses, security } of Object.values(methods)) assert.ok(security !== undefined || responses["401"], "what needs a token says 401");
});
