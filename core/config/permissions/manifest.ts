import * as v from "valibot";

const entries = (rule: RegExp, otherwise: string) => v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(1024), v.regex(rule, otherwise))), v.maxLength(1000)), []);

/**
 * What a plugin may touch, as `busbar.permissions` of its package.json says it, so that it can be known without running any of its code. `{field}` stands for a field of the
 * plugin's config, `{a.b}` for one further in, and for each entry where that is a list; an entry whose field is absent or false asks for nothing, nor does one that ends in
 * ` if {field}` where that field is.
 */
export const manifestSchema = v.strictObject({
  /** Where it listens and what it connects to: `listen:{host}:{port}`, `connect:{url}`, `connect:broker.example:1883`; port 0 of `connect` is every port. */
  net: entries(/^(?:listen|connect):./, "must be listen:<host>:<port>, connect:<host>:<port> or connect:<url>"),
  /** Files, and folders with everything below them; relative ones lie below the gateway's working directory. `folder:{file}` is the folder that a file stands in. */
  read: entries(/./, "must be a path"),
  /** The same, for writing. */
  write: entries(/./, "must be a path"),
  /** Names of environment variables. */
  env: entries(/^(?:[A-Za-z_][A-Za-z0-9_]*|\{[\w.]+\}(?: if \{[\w.]+\})?)$/, "must be the name of an environment variable"),
  /** What it asks about the machine: Deno's names, such as hostname. Only Deno can withhold it. */
  sys: entries(/^[a-zA-Z]+$/, "must be a name of Deno's --allow-sys, such as hostname"),
  /** Whom it speaks for besides itself and what lies below its id: patterns of ids, `#` for anybody. Counts in an isolate. */
  from: entries(/./, "must be a pattern of ids"),
  /** Whether it starts threads. In an isolate on Node a thread can shed what holds the rest. */
  threads: v.optional(v.boolean(), false),
});

/** What a plugin may touch, before its config fills it in. */
export type PermissionManifest = v.InferOutput<typeof manifestSchema>;

/** The kinds of permissions, in the order in which they are listed. */
export const permissionKinds = ["net", "read", "write", "env", "sys", "from"] as const satisfies readonly (keyof PermissionManifest)[];

/** The manifest of a plugin that says nothing: it may compute, and talk to the gateway. */
export const noPermissions: PermissionManifest = { net: [], read: [], write: [], env: [], sys: [], from: [], threads: false };

/** What is wrong with the `busbar.permissions` of a package.json, or what it says; undefined stands for nothing said. */
export function parseManifest(value: unknown): { readonly manifest: PermissionManifest } | { readonly fault: string } {
  if (value === undefined) return { manifest: noPermissions };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { fault: "they must be a map" };
  const { success, issues, output } = v.safeParse(manifestSchema, value);
  if (success) return { manifest: output };
  const [issue] = issues;
  return { fault: `${v.getDotPath(issue) ?? "it"}: ${issue.message}` };
}
