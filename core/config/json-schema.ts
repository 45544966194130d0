import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import type { AnyPlugin } from "../plugin.ts";
import type { StepDefinition } from "../step.ts";
import { builtInSteps } from "../steps/built-in.ts";
import { gatewaySchema } from "./settings.ts";

/** A JSON Schema, or a part of one. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** A plugin and the name by which a config says `use`. */
export interface SchemaPlugin {
  /** Default: the plugin's own name. */
  readonly use?: string;
  readonly plugin: AnyPlugin;
}

const placeholderPattern = "\\$\\{(env|file):";

/**
 * The JSON Schema (2020-12) of a whole config, for editors: `plugins` with the settings of each plugin given, `routes` with core's steps and theirs, `gateway`.
 * It describes what is written, before interpolation: a text with `${env:…}` may stand for any number, boolean or choice. What only a function can check is left out.
 */
export function configJsonSchema(plugins: readonly SchemaPlugin[]): JsonSchema {
  const named = plugins.map(({ plugin, use = plugin.name }) => ({ use, def: use.replaceAll("/", "."), plugin })).sort((a, b) => (a.use < b.use ? -1 : 1));
  const defs: Record<string, unknown> = {};
  for (const { use, def, plugin } of named) defs[`plugin-${def}`] = pluginSection(use, def, plugin, defs);
  defs["instance"] = {
    type: "object",
    properties: { use: { description: "The plugin: its name, or a path such as ./my-plugin.ts.", anyOf: [{ enum: named.map(({ use }) => use) }, { type: "string" }] }, required: requiredKey, isolate: isolateKey },
    allOf: named.map(({ use, def }) => ({ if: { properties: { use: { const: use } }, required: ["use"] }, then: { $ref: `#/$defs/plugin-${def}` } })),
  };
  const instances = named.filter(({ use }) => !use.includes("/")).map(({ use, plugin }) => [use, { description: plugin.description, if: { type: "object", required: ["use"] }, then: { $ref: "#/$defs/instance" }, else: { $ref: `#/$defs/plugin-${use}` } }] as const);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Busbar config",
    type: "object",
    properties: {
      $schema: { type: "string" },
      plugins: {
        description: "The plugin instances: id -> settings. Without \"use\" the id names the plugin.",
        type: "object",
        properties: Object.fromEntries(instances),
        additionalProperties: { $ref: "#/$defs/instance", required: ["use"] },
      },
      routes: { description: "Which messages are sent on, how changed, and where to.", type: ["array", "null"], items: routeSchema(stepsOf(named), defs) },
      gateway: { description: "How the kernel itself behaves.", ...convert(gatewaySchema, "gateway", defs) },
    },
    required: ["plugins"],
    additionalProperties: false,
    $defs: defs,
  };
}

const requiredKey: JsonSchema = { description: "Whether the gateway is not ready without it. Default true.", type: ["boolean", "string"], pattern: placeholderPattern, default: true };

const isolateKey: JsonSchema = {
  description: "Whether it runs in an isolate of its own, with the permissions of its package.json and nothing else: true, or limits of memory (default 256MiB) and of silence while it computes (default 5s). Default false.",
  anyOf: [
    { type: "boolean" },
    { type: "object", properties: { memory: { description: "Memory that it may use, such as 256MiB.", type: ["string", "number"] }, stall: { description: "How long it may say nothing, such as 5s.", type: ["string", "number"] } }, additionalProperties: false },
  ],
  default: false,
};

function pluginSection(use: string, def: string, plugin: AnyPlugin, defs: Record<string, unknown>): JsonSchema {
  const section = convert(plugin.config, def, defs);
  const properties = { use: { description: "The plugin.", const: use }, required: requiredKey, isolate: isolateKey, ...(section["properties"] as object | undefined) };
  // a section without required keys may be left empty, which YAML reads as null
  const type = (section["required"] as readonly string[] | undefined)?.length ? "object" : ["object", "null"];
  return { ...section, description: plugin.description, type, properties };
}

function stepsOf(plugins: readonly { readonly plugin: AnyPlugin }[]): Readonly<Record<string, StepDefinition>> {
  return Object.assign({}, ...plugins.map(({ plugin }) => plugin.steps ?? {}), builtInSteps) as Readonly<Record<string, StepDefinition>>;
}

function routeSchema(steps: Readonly<Record<string, StepDefinition>>, defs: Record<string, unknown>): JsonSchema {
  const names = Object.keys(steps).sort();
  return {
    type: "object",
    properties: {
      name: { description: "Default route-<index>.", type: "string", maxLength: 64 },
      from: { description: "The messages that are taken: a topic filter such as status/+/#.", type: "string" },
      steps: {
        description: "What is done to each message, in order.",
        type: "array",
        items: {
          type: "object",
          properties: Object.fromEntries(names.map((name) => [name, stepSchema(name, steps[name]!, defs)])),
          minProperties: 1,
          maxProperties: 1,
          additionalProperties: false,
        },
      },
      to: { description: "A topic such as event/alarm/{id} ({id} is the part of the source's topic after its type, {type} its type), or the id of a plugin instance that accepts messages.", type: "string" },
    },
    required: ["from", "to"],
    additionalProperties: false,
  };
}

function stepSchema(name: string, step: StepDefinition, defs: Record<string, unknown>): JsonSchema {
  const schema = convert(step.config, `step-${name}`, defs);
  const mayBeEmpty = schema["type"] === "object" && !(schema["required"] as readonly string[] | undefined)?.length;
  return { ...schema, description: step.description, ...(mayBeEmpty ? { type: ["object", "null"] } : {}) };
}

/** One valibot schema as JSON Schema of its input; its definitions go to `defs` under names that begin with `name`. */
function convert(schema: v.GenericSchema, name: string, defs: Record<string, unknown>): JsonSchema {
  // transforms end the input side (typeMode), and a check is a function no JSON Schema can say: what is left must not be an error
  const { $schema: _dialect, $defs, ...body } = toJsonSchema(schema, { typeMode: "input", errorMode: "ignore", target: "draft-2020-12" }) as JsonSchema;
  for (const [key, definition] of Object.entries(($defs ?? {}) as JsonSchema)) defs[`${name}-${key}`] = rewrite(definition, name);
  return rewrite(body, name) as JsonSchema;
}

/** Names of keywords whose value is a map of names to schemas, and those whose value is data. */
const maps: ReadonlySet<string> = new Set(["properties", "patternProperties", "$defs"]);
const data: ReadonlySet<string> = new Set(["default", "const", "enum", "examples", "required"]);

/** Lets placeholders stand for values, and moves references into the names of the whole. */
function rewrite(part: unknown, name: string): unknown {
  if (Array.isArray(part)) return part.map((item) => rewrite(item, name));
  if (typeof part !== "object" || part === null) return part;
  const entries = Object.entries(part).map(([keyword, value]): [string, unknown] => {
    if (keyword === "$ref" && typeof value === "string") return [keyword, value.replace("#/$defs/", `#/$defs/${name}-`)];
    if (data.has(keyword)) return [keyword, value];
    if (maps.has(keyword)) return [keyword, Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, rewrite(item, name)]))];
    return [keyword, rewrite(value, name)];
  });
  return allowPlaceholder(Object.fromEntries(entries));
}

function allowPlaceholder(schema: Record<string, unknown>): JsonSchema {
  const { type, pattern, enum: values, ...rest } = schema;
  if (Array.isArray(values)) return { ...rest, anyOf: [{ enum: values }, { type: "string", pattern: placeholderPattern }] };
  if (type === "number" || type === "integer" || type === "boolean") return { ...schema, type: [type, "string"], pattern: placeholderPattern };
  if (type === "string" && typeof pattern === "string") return { ...schema, pattern: `(?:${pattern})|${placeholderPattern}` };
  return schema;
}

/** The schema as the text of `busbar.schema.json`: two spaces, a line break at its end. */
export function formatJsonSchema(schema: JsonSchema): string {
  return JSON.stringify(schema, undefined, 2) + "\n";
}
