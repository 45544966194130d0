import * as v from "valibot";
import { describeIssue } from "./issue-text.ts";
import { suggest } from "./nearest.ts";
import type { Reporter } from "./reporter.ts";
import { flattenIssues, innerSchema, keysOf, refusesList, schemaAt, type FlatIssue } from "./schema-walk.ts";
import { hideSecrets } from "./secret-fields.ts";
import { nodeAt, scalars, showNode, toValue, type Path, type ScalarNode, type SourceNode } from "./source-tree.ts";

/** One part of a config that a schema judges. */
export interface Section {
  /** The whole config, for places. */
  readonly root: SourceNode;
  /** Where the section stands in it. */
  readonly path: Path;
  readonly node: SourceNode;
  readonly schema: v.GenericSchema;
  /** Keys that are right in this place besides the schema's own, for the lists of what is allowed. */
  readonly besides?: readonly string[];
}

/** Checks a section against its schema and reports everything that is wrong. Returns what the schema made of it, or undefined. */
export function checkSection(section: Section, report: Reporter): { readonly output: unknown } | undefined {
  const { schema, node } = section;
  hideSecrets(node);
  const result = parseWithCoercion(schema, node);
  const known = [...scalars(node)];
  const lists = [...wrongLists(schema, node, toValue(node), [])];
  for (const { keys, expects } of lists) reportIssue(section, { issue: wrongType(expects), keys, parent: undefined, aboutKey: false }, [], report);
  if (result.success) return lists.length > 0 || known.some((scalar) => scalar.broken) ? undefined : { output: result.output };
  const hidden = known.flatMap((scalar) => (scalar.secrets ?? []).map((secret) => [secret, scalar.shown ?? "…"] as const));
  for (const flat of flattenIssues(schema, toValue(node), result.issues)) {
    if (!lists.some(({ keys }) => keys.every((key, at) => key === flat.keys[at]))) reportIssue(section, flat, hidden, report);
  }
  return undefined;
}

/** The lists that stand where a map or a single value should. */
function* wrongLists(schema: v.GenericSchema, node: SourceNode, value: unknown, keys: Path): Generator<{ readonly keys: Path; readonly expects: string }> {
  if (node.kind === "scalar") return;
  if (node.kind === "list") {
    const here = schemaAt(schema, keys, value);
    if (here && refusesList(here)) {
      yield { keys, expects: here.expects };
      return;
    }
    for (const [at, item] of node.items.entries()) yield* wrongLists(schema, item, value, [...keys, at]);
  } else {
    for (const [key, entry] of node.entries) yield* wrongLists(schema, entry.node, value, [...keys, key]);
  }
}

/** The issue that valibot would have for a value of another type. */
function wrongType(expects: string): v.BaseIssue<unknown> {
  return { kind: "schema", type: "type", input: undefined, expected: expects, received: "", message: `Invalid type: Expected ${expects}` };
}

/** Parses; a text that is one `${env:…}` becomes a number or a boolean where the text is refused and it reads as one. */
function parseWithCoercion(schema: v.GenericSchema, node: SourceNode): v.SafeParseResult<v.GenericSchema> {
  const tried = new Map<ScalarNode, string>();
  for (;;) {
    const value = toValue(node);
    const result = v.safeParse(schema, value);
    if (result.success) return result;
    let changed = false;
    for (const { issue, keys } of flattenIssues(schema, value, result.issues)) {
      const scalar = nodeAt(node, keys as Path);
      if (scalar?.kind !== "scalar" || !scalar.whole) continue;
      const before = tried.get(scalar);
      if (before === undefined && typeof scalar.value === "string") {
        tried.set(scalar, scalar.value);
        const read = coerce(scalar.value);
        changed ||= read !== scalar.value;
        scalar.value = read;
      } else if (before !== undefined && scalar.value !== before && issue.kind === "schema" && issue.type === "string") {
        scalar.value = before; // text was right after all, and what is wrong with it is something else
        changed = true;
      }
    }
    if (!changed) return result;
  }
}

function coerce(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
}

function reportIssue(section: Section, { issue, keys, parent, aboutKey }: FlatIssue, hidden: readonly (readonly [string, string])[], report: Reporter): void {
  const { root, path, node } = section;
  const at = [...path, ...(keys as Path)];
  const found = nodeAt(node, keys as Path);
  if (found?.kind === "scalar" && found.broken) return;
  if (aboutKey && found && issue.kind === "schema" && issue.expected === "never") return reportUnknownKeys(section, keys, parent, report);
  if (aboutKey && !found) {
    report.key(root, at, "missing", wanted(parent, keys.at(-1)));
    return;
  }
  const { message, allowed } = describeIssue(issue, aboutKey ? JSON.stringify(keys.at(-1)) : showNode(found), found === undefined);
  const text = hide(message, hidden);
  const written = found?.kind === "scalar" && found.shown === undefined && typeof found.value === "string" ? found.value : undefined;
  const hint = allowed && suggest(written, allowed);
  if (aboutKey) report.key(root, at, text, hint);
  else report.value(root, at, text, hint);
}

/** valibot names the first unknown key only; here all are. */
function reportUnknownKeys(section: Section, keys: readonly PropertyKey[], parent: v.GenericSchema | undefined, report: Reporter): void {
  const holder = nodeAt(section.node, keys.slice(0, -1) as Path);
  const entries = parent && keysOf(parent);
  const allowed = entries && [...entries, ...(keys.length === 1 ? (section.besides ?? []) : [])];
  const names = holder?.kind === "map" && allowed ? [...holder.entries.keys()].filter((name) => !allowed.includes(name)) : [String(keys.at(-1))];
  for (const name of names) report.key(section.root, [...section.path, ...(keys.slice(0, -1) as Path), name], "unknown key", allowed && suggest(name, allowed));
}

/** What a missing key should hold. */
function wanted(parent: v.GenericSchema | undefined, key: PropertyKey | undefined): string | undefined {
  const entries = (parent as { readonly entries?: Readonly<Record<string, v.GenericSchema>> } | undefined)?.entries;
  const schema = entries?.[String(key)];
  if (!schema) return undefined;
  const { expects } = innerSchema(schema);
  const { message, allowed } = describeIssue(wrongType(expects), "", true);
  const description = v.getDescription(schema as v.GenericSchema);
  return [allowed ? suggest(undefined, allowed) : message.replace("missing; ", ""), description].filter((part) => part !== undefined).join(": ");
}

/** A message from a schema's own check may repeat its input: what came from outside is replaced by its placeholder. */
function hide(message: string, hidden: readonly (readonly [string, string])[]): string {
  let text = message;
  for (const [secret, shown] of hidden) {
    for (const form of [secret, JSON.stringify(secret).slice(1, -1)]) if (form.length >= 4) text = text.replaceAll(form, () => shown);
  }
  return text;
}
