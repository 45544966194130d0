import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { definePlugin } from "../plugin.ts";
import { configJsonSchema, formatJsonSchema, type JsonSchema } from "./json-schema.ts";
import { samplePlugins } from "./sample-plugins.ts";

type Tree = { readonly label: string; readonly below: readonly Tree[] };
const tree: v.GenericSchema<Tree> = v.lazy(() => v.strictObject({ label: v.string(), below: v.array(tree) }));
const forest = definePlugin({ name: "forest", description: "Has a recursive config", config: v.strictObject({ root: tree, size: v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number)) }), setup: () => {} });
const schema = configJsonSchema([...Object.values(samplePlugins), forest].map((plugin) => ({ plugin })));

/** The keywords of JSON Schema 2020-12 that the schema uses, judged by their definitions in the standard. */
function fits(part: JsonSchema | boolean, value: unknown): boolean {
  if (typeof part === "boolean") return part;
  const is = (name: unknown): boolean =>
    name === "null" ? value === null : name === "array" ? Array.isArray(value) : name === "object" ? typeof value === "object" && value !== null && !Array.isArray(value) : name === "integer" ? Number.isInteger(value) : typeof value === name;
  return Object.entries(part).every(([keyword, wanted]): boolean => {
    const parts = wanted as readonly JsonSchema[];
    const one = wanted as JsonSchema;
    const number = wanted as number;
    const object = is("object") ? (value as Record<string, unknown>) : undefined;
    switch (keyword) {
      case "type": return [wanted].flat().some(is);
      case "enum": return (wanted as readonly unknown[]).includes(value);
      case "const": return value === wanted;
      case "pattern": return typeof value !== "string" || new RegExp(String(wanted)).test(value);
      case "minLength": return typeof value !== "string" || value.length >= number;
      case "maxLength": return typeof value !== "string" || value.length <= number;
      case "minimum": return typeof value !== "number" || value >= number;
      case "maximum": return typeof value !== "number" || value <= number;
      case "minItems": return !Array.isArray(value) || value.length >= number;
      case "maxItems": return !Array.isArray(value) || value.length <= number;
      case "minProperties": return !object || Object.keys(object).length >= number;
      case "maxProperties": return !object || Object.keys(object).length <= number;
      case "anyOf": return parts.some((item) => fits(item, value));
      case "oneOf": return parts.filter((item) => fits(item, value)).length === 1;
      case "allOf": return parts.every((item) => fits(item, value));
      case "items": return !Array.isArray(value) || value.every((item) => fits(one, item));
      case "required": return !object || (wanted as readonly string[]).every((key) => Object.hasOwn(object, key));
      case "properties": return !object || Object.entries(wanted as Record<string, JsonSchema>).every(([key, item]) => !Object.hasOwn(object, key) || fits(item, object[key]));
      case "propertyNames": return !object || Object.keys(object).every((key) => fits(one, key));
      case "additionalProperties": return !object || Object.entries(object).every(([key, item]) => Object.hasOwn((part["properties"] ?? {}) as object, key) || fits(wanted as JsonSchema | boolean, item));
      case "if": return fits(one, value) ? !part["then"] || fits(part["then"] as JsonSchema, value) : !part["else"] || fits(part["else"] as JsonSchema, value);
      case "$ref": return fits((schema["$defs"] as Record<string, JsonSchema>)[String(wanted).replace("#/$defs/", "")]!, value);
      case "$schema": case "$defs": case "title": case "description": case "default": case "then": case "else": return true;
      default: throw new TypeError(`Cannot judge the keyword "${keyword}": this test does not know it`);
    }
  });
}

const right: readonly unknown[] = [
  { plugins: {} },
  { $schema: "./busbar.schema.json", plugins: { http: { port: 80 }, websocket: null, web: { use: "websocket", required: false } }, gateway: { log: { level: "debug" }, setupTimeout: "3s", commandTtl: 60_000 } },
  { plugins: { http: { port: "${env:PORT}", required: "${env:R:-true}" }, auth: { secret: "12345678", mode: "${env:MODE}", keys: [{ kind: "url", href: "x", every: "1s" }] } } },
  { plugins: { http: { use: "historian", target: { url: "x" } }, mine: { use: "./mine.ts", anything: 1 } } },
  { plugins: { forest: { size: "5", root: { label: "a", below: [{ label: "b", below: [] }] } } } },
  { plugins: {}, routes: [{ from: "status/#", steps: [{ filter: { field: "a", above: 3 } }, { changed: null }, { double: {} }, { set: { qos: 1 } }], to: "event/{id}" }] },
];
const wrong: readonly unknown[] = [
  {},
  { plugins: {}, plugns: {} },
  { plugins: { http: { prt: 80 } } },
  { plugins: { http: { port: 70_000 } } },
  { plugins: { http: { port: "80" } } },
  { plugins: { auth: null } },
  { plugins: { web: {} } },
  { plugins: { web: { use: "http", prt: 1 } } },
  { plugins: { http: { use: "historian", port: 80 } } },
  { plugins: { forest: { size: "5", root: { label: "a", below: [{ label: 3, below: [] }] } } } },
  { plugins: { auth: { secret: "12345678", mode: "opne" } } },
  { plugins: {}, routes: [{ from: "status/#" }] },
  { plugins: {}, routes: [{ from: "a", steps: [{ fliter: {} }], to: "b/c" }] },
  { plugins: {}, routes: [{ from: "a", steps: [{ throttle: {} }], to: "b/c" }] },
  { plugins: {}, gateway: { log: { level: "loud" } } },
];

test("configJsonSchema() takes right configs and refuses wrong ones", () => {
  for (const config of right) assert.ok(fits(schema, config), JSON.stringify(config));
  for (const config of wrong) assert.ok(!fits(schema, config), JSON.stringify(config));
});

test("configJsonSchema() keeps descriptions and defaults, and refers only to what is there", () => {
  const defs = schema["$defs"] as Readonly<Record<string, { readonly properties?: Readonly<Record<string, unknown>>; readonly description?: string }>>;
  assert.deepEqual(defs["plugin-http"]?.properties?.["port"], { type: ["integer", "string"], minimum: 0, maximum: 65535, pattern: "\\$\\{(env|file):", default: 8080, description: "Where it listens" });
  assert.equal(defs["plugin-http"]?.description, "A web server");
  const text = formatJsonSchema(schema);
  for (const [, name] of text.matchAll(/"\$ref": "#\/\$defs\/([^"]+)"/g)) assert.ok(defs[name!], name);
  assert.equal(text, formatJsonSchema(configJsonSchema([forest, ...Object.values(samplePlugins).reverse()].map((plugin) => ({ plugin })))), "the order of plugins does not matter");
});
