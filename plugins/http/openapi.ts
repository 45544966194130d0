import { toJsonSchema } from "@valibot/to-json-schema";
import type { AnyOperation, AnySchema, Answer, ObjectSchema } from "./operation.ts";
import { envelope, envelopeInput, deadLetter, device, command, problem } from "./shapes.ts";

type Json = Readonly<Record<string, unknown>>;

/** Schemas that stand in `components` under a name instead of being repeated. */
const named: ReadonlyMap<AnySchema, string> = new Map<AnySchema, string>([
  [envelopeInput, "EnvelopeInput"],
  [envelope, "Envelope"],
  [device, "Device"],
  [deadLetter, "DeadLetter"],
  [command, "Command"],
  [problem, "Problem"],
]);

/** The OpenAPI 3.1 document of the operations, made of the schemas that check their requests. */
export function openApiDocument(operations: readonly AnyOperation[], version: string): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    const path = operation.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[operation.method] = describe(operation);
  }
  const schemas = Object.fromEntries([...named].map(([schema, name]) => [name, schemaOf(schema, schema)]));
  return {
    openapi: "3.1.0",
    info: { title: "Busbar", version, description: "Messages, history, devices and commands of this gateway. Errors are RFC 9457 problems.", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }],
    paths,
    components: { schemas, securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } } },
  };
}

function describe(operation: AnyOperation): Json {
  const { id, summary, description, open, params, query, body } = operation;
  const parameters = [...parametersOf(params, "path"), ...parametersOf(query, "query")];
  const wrong = new Set<number>([...(operation.problems ?? []), ...(open ? [] : [401]), ...(params || query ? [400] : []), ...(body ? [400, 413, 415, 422] : []), 500]);
  const responses: Record<string, unknown> = {};
  for (const [status, answer] of Object.entries(operation.answers)) responses[status] = responseOf(answer);
  for (const status of [...wrong].sort()) responses[status] ??= responseOf({ description: "A problem", schema: problem, contentType: "application/problem+json" });
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(open ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: { "application/json": { schema: schemaOf(operation.bodyDocument ?? body) } } } }),
    responses,
  };
}

function responseOf(answer: Answer): Json {
  const { description, schema, contentType = "application/json" } = answer;
  const media = { schema: schema ? schemaOf(schema) : { type: "string" } };
  return { description, content: Object.fromEntries([contentType].flat().map((type) => [type, media])) };
}

function parametersOf(schema: ObjectSchema | undefined, place: "path" | "query"): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema) as { properties?: Record<string, Json>; required?: readonly string[] };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({ name, in: place, required: required.includes(name), ...(description === undefined ? {} : { description }), schema: rest }));
}

/** JSON Schema 2020-12, as OpenAPI 3.1 has it. Checks that JSON Schema has no word for are left out. */
function schemaOf(schema: AnySchema, self?: AnySchema): Json {
  const { $schema: _dialect, ...rest } = toJsonSchema(schema, {
    typeMode: "input",
    target: "draft-2020-12",
    errorMode: "ignore",
    overrideSchema: ({ valibotSchema }) => {
      const name = valibotSchema === self ? undefined : named.get(valibotSchema as AnySchema);
      return name === undefined ? undefined : { $ref: `#/components/schemas/${name}` };
    },
  });
  return rest as Json;
}
