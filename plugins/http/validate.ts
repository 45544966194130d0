import { toJsonSchema } from "@valibot/to-json-schema";
import type { Context } from "hono";
import * as v from "valibot";
import type { AnySchema, AppEnv, ObjectSchema } from "./operation.ts";
import { Problem } from "./problem.ts";

/** Makes the function that checks the query string: numbers are read where the schema wants numbers. It throws 400. */
export function queryParser(schema: ObjectSchema): (context: Context<AppEnv>) => unknown {
  const numeric = new Set(Object.entries(schema.entries).flatMap(([name, entry]) => (isNumeric(entry as AnySchema) ? [name] : [])));
  return (context) => {
    const raw: Record<string, unknown> = {};
    for (const [name, text] of Object.entries(context.req.query())) raw[name] = numeric.has(name) && /^-?\d{1,16}$/.test(text) ? Number(text) : text;
    return check(schema, raw, 400, "query");
  };
}

function isNumeric(schema: AnySchema): boolean {
  const { type } = toJsonSchema(schema, { typeMode: "input", errorMode: "ignore" });
  return type === "integer" || type === "number";
}

/** Checks what a request says. @throws {Problem} with that status; `errors` names each place and what is wrong with it. */
export function check(schema: AnySchema, value: unknown, status: 400 | 422, where: string): unknown {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const errors = result.issues.slice(0, 20).map((issue) => ({ at: [where, ...(issue.path ?? []).map((step) => String(step.key))].join("."), detail: issue.message }));
  const first = errors[0]!;
  throw new Problem(status, { code: "BAD_FRAME", detail: `${first.at}: ${first.detail}`, members: { errors } });
}

/** Reads a JSON body, of at most `maxDepth` levels of arrays and objects: whatever reads a message later may do so recursively. @throws {Problem} 415 for another media type, 400 for what is not JSON, 422 for JSON nested too deeply. */
export async function readJson(context: Context<AppEnv>, maxDepth: number): Promise<unknown> {
  const type = context.req.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/json" && !/^application\/[\w.-]+\+json$/.test(type)) throw new Problem(415, { detail: "The body must be application/json", headers: { accept: "application/json" } });
  if ((context.req.header("content-encoding") ?? "identity").toLowerCase() !== "identity") throw new Problem(415, { detail: "The body must not be compressed", headers: { "accept-encoding": "identity" } });
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await context.req.arrayBuffer());
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw new Problem(400, { detail: "The body did not arrive whole", cause });
    throw new Problem(400, { code: "BAD_FRAME", detail: "The body is not UTF-8", cause });
  }
  if (depthOf(text) > maxDepth) throw new Problem(422, { code: "BAD_FRAME", detail: `The body is nested more than ${maxDepth} levels deep` });
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new Problem(400, { code: "BAD_FRAME", detail: "The body is not JSON", cause });
  }
}

/** How deeply JSON text is nested, found without recursion. */
function depthOf(text: string): number {
  let depth = 0;
  let most = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (quoted) {
      if (char === 92) at++;
      else if (char === 34) quoted = false;
    } else if (char === 34) quoted = true;
    else if (char === 91 || char === 123) most = Math.max(most, ++depth);
    else if (char === 93 || char === 125) depth--;
  }
  return most;
}
