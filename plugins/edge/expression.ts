import { Environment } from "@marcbachmann/cel-js";
import type { ASTNode, ParseResult } from "@marcbachmann/cel-js";
import * as v from "valibot";
import { registerFunctions } from "./expression-functions.ts";

/** What an expression is asked of: a class with these as properties. */
export interface ExpressionScope {
  readonly value: unknown;
  readonly tag: string;
  readonly unit: string;
  readonly quality: string;
  readonly code: string;
  readonly time: Date;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly topic: string;
  /** The type of the message, such as status; `type` is a function of CEL. */
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly payload: unknown;
  readonly timestamp: Date;
}

/** A compiled expression. */
export interface Expression {
  readonly text: string;
  /** Whether it names something of a single reading (`value`, `tag`, `unit`, `quality`, `code`, `time`): it is then asked of each. */
  readonly ofReading: boolean;
  /** The tags it names as `tags.x` or `tags["x"]`; undefined where it uses `tags` in another way, so that any may count. */
  readonly tags: ReadonlySet<string> | undefined;
  /** Those among them that it asks for with `has(tags.x)` or `"x" in tags`, so that it can do without. */
  readonly optionalTags: ReadonlySet<string>;
  /** Evaluates it. A number is a JavaScript number, a time is ISO 8601 text. @throws {Error} with one line, for a tag that is not known for one. */
  evaluate(scope: ExpressionScope): unknown;
}

/** The longest expression, in characters, and how large it may be. */
const longest = 2_000;
const limits = { maxAstNodes: 500, maxDepth: 32, maxListElements: 100, maxMapEntries: 50, maxCallArguments: 16 };

/** Variables and their types; readings are of any type, so what is done to them is checked only when they come. */
const variables: Readonly<Record<keyof ExpressionScope, string>> = {
  value: "dyn", tag: "string", unit: "string", quality: "string", code: "string", time: "google.protobuf.Timestamp",
  tags: "map<string, dyn>",
  topic: "string", kind: "string", from: "string", to: "string", payload: "dyn", timestamp: "google.protobuf.Timestamp",
};
const readingVariables: ReadonlySet<string> = new Set(["value", "tag", "unit", "quality", "code", "time"]);

/** What walks through a list, and may not stand within another such: the cost would no longer grow as the payload does. */
const loops: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "map", "filter"]);
/** Functions of CEL that are refused, and what to say. Time and memory of these grow faster than their input. */
const refused: Readonly<Record<string, string>> = { matches: 'regular expressions may take forever; use like(text, "pump-*")', bind: "cel.bind is not allowed" };

const environment = createEnvironment();

/** Config schema of an expression in CEL (the Common Expression Language). `result`: "bool" for a condition, "value" for what becomes a reading. Its output is an `Expression`. */
export function expression(result: "bool" | "value") {
  return v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(longest),
    v.description(result === "bool" ? 'A condition in CEL, such as value > 80 && quality == "good".' : "An expression in CEL, such as value * 1.8 + 32."),
    v.rawTransform<string, Expression>(({ dataset, addIssue, NEVER }) => {
      const compiled = compileExpression(dataset.value, result);
      if (!("fault" in compiled)) return compiled;
      addIssue({ message: `is no expression: ${compiled.fault}` });
      return NEVER;
    }),
  );
}

/** Compiles and type-checks an expression; `fault` says what is wrong and at which character, from 1. */
export function compileExpression(text: string, result: "bool" | "value"): Expression | { readonly fault: string } {
  let parsed: ParseResult;
  try {
    parsed = environment.parse(text);
  } catch (error) {
    return { fault: faultOf(error) };
  }
  const { valid, type, error } = parsed.check();
  if (!valid) return { fault: faultOf(error) };
  if (result === "bool" && type !== "bool" && type !== "dyn") return { fault: `it gives ${nameOfType(type)}, where true or false is asked for` };
  if (result === "value" && type !== undefined && !valueTypes.has(type)) return { fault: `it gives ${nameOfType(type)}, where a number, text, or true or false is asked for` };
  const found: Usage = { names: new Set(), tags: new Set(), optionalTags: new Set(), anyTag: false, fault: undefined };
  inspect(parsed.ast, 0, found);
  if (found.fault !== undefined) return { fault: found.fault };
  return {
    text,
    ofReading: [...found.names].some((name) => readingVariables.has(name)),
    tags: found.anyTag ? undefined : found.tags,
    optionalTags: found.optionalTags,
    evaluate: (scope) => toPlain(parsed(scope)),
  };
}

/** The first line of an error of CEL, without the drawing that follows. */
export function expressionFault(error: unknown): string {
  const summary = error instanceof Error && "summary" in error && typeof error.summary === "string" ? error.summary : String(error instanceof Error ? error.message : error);
  return summary.split("\n", 1)[0]!.trim();
}

const valueTypes: ReadonlySet<string> = new Set(["dyn", "bool", "int", "uint", "double", "string", "google.protobuf.Timestamp"]);

function createEnvironment(): Environment {
  const made = new Environment({ homogeneousAggregateLiterals: false, limits });
  for (const [name, type] of Object.entries(variables)) made.registerVariable(name, type as "dyn");
  registerFunctions(made);
  return made;
}

interface Usage {
  readonly names: Set<string>;
  readonly tags: Set<string>;
  readonly optionalTags: Set<string>;
  anyTag: boolean;
  fault: string | undefined;
}

/** Finds what an expression uses, and what it must not. `depth`: loops around the node. */
function inspect(node: ASTNode, depth: number, found: Usage): void {
  const { op, args } = node;
  if (op === "id") {
    found.names.add(args);
    if (args === "tags") found.anyTag = true;
    return;
  }
  const named = tagNamed(node);
  if (named !== undefined) return void found.tags.add(named);
  const asked = tagAskedFor(node);
  if (asked !== undefined) return void [found.tags, found.optionalTags].forEach((set) => set.add(asked));
  let below = depth;
  if (op === "rcall" || op === "call") {
    const name = args[0];
    if (Object.hasOwn(refused, name)) found.fault ??= `${refused[name]!}${placeOf(node.start)}`;
    if (op === "rcall" && loops.has(name) && ++below > 1) found.fault ??= `"${name}" stands within another loop over a list${placeOf(node.start)}`;
  }
  for (const part of nodesIn(args)) inspect(part, below, found);
}

/** The tag of `tags.x` or `tags["x"]`. */
function tagNamed({ op, args }: ASTNode): string | undefined {
  if ((op !== "." && op !== "[]") || !isTags(args[0])) return undefined;
  const tag = op === "." ? args[1] : textOf(args[1]);
  return tag;
}

/** The tag of `has(tags.x)` or `"x" in tags`. */
function tagAskedFor({ op, args }: ASTNode): string | undefined {
  if (op === "in") return isTags(args[1]) ? textOf(args[0]) : undefined;
  const [name, [first]] = op === "call" ? args : ["", []];
  return name === "has" && first !== undefined ? tagNamed(first) : undefined;
}

const isTags = (node: ASTNode): boolean => node.op === "id" && node.args === "tags";
const textOf = (node: ASTNode): string | undefined => (node.op === "value" && typeof node.args === "string" ? node.args : undefined);

function* nodesIn(args: unknown): Generator<ASTNode> {
  if (isNode(args)) yield args;
  else if (Array.isArray(args)) for (const part of args) yield* nodesIn(part);
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === "object" && value !== null && "op" in value && "args" in value;
}

function faultOf(error: unknown): string {
  const range = typeof error === "object" && error !== null && "range" in error ? (error.range as { readonly start: number } | undefined) : undefined;
  const text = expressionFault(error);
  const known = text.startsWith("Unknown variable") ? `; known: ${Object.keys(variables).join(", ")}` : "";
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}${range === undefined ? "" : placeOf(range.start)}${known}`;
}

const placeOf = (start: number): string => `, at character ${start + 1}`;

function nameOfType(type: string | undefined): string {
  return { int: "a whole number", uint: "a whole number", double: "a number", string: "text", bool: "true or false", null: "null", "google.protobuf.Timestamp": "a time", "google.protobuf.Duration": "a duration" }[type ?? ""] ?? `a ${type ?? "value"}`;
}

/** What CEL gives, as plain data: its whole numbers are bigints. */
function toPlain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  return "valueOf" in value && typeof value.valueOf() === "bigint" ? Number(value.valueOf()) : value;
}
