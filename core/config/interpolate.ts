import type { Reporter } from "./reporter.ts";
import { type Path, type ScalarNode, type SourceNode } from "./source-tree.ts";

/** Where interpolated text comes from. */
export interface InterpolationSources {
  /** The value of an environment variable, or undefined. */
  env(name: string): string | undefined;
  /** The text of a file named in the config. @throws when it cannot be read. */
  file(path: string): Promise<string>;
}

const placeholder = /\$\$\{|\$\{([^{}]*)(\}?)/g;

/**
 * Fills in `${env:NAME}`, `${env:NAME:-default}` (also when the variable is empty) and `${file:path}` (without its last line break) in every text of the tree, in place.
 * `$${` stands for `${`. What is filled in is not looked at again. Whatever cannot be filled in is reported.
 */
export async function interpolate(root: SourceNode, sources: InterpolationSources, report: Reporter): Promise<void> {
  const texts: [ScalarNode, string, Path][] = [];
  collect(root, [], texts);
  await Promise.all(texts.map(([node, text, path]) => fill(node, text, path, sources, report)));
}

function collect(node: SourceNode, path: Path, texts: [ScalarNode, string, Path][]): void {
  if (node.kind === "map") for (const [key, entry] of node.entries) collect(entry.node, [...path, key], texts);
  else if (node.kind === "list") for (const [at, item] of node.items.entries()) collect(item, [...path, at], texts);
  else if (typeof node.value === "string" && node.value.includes("${")) texts.push([node, node.value, path]);
}

async function fill(node: ScalarNode, text: string, path: Path, sources: InterpolationSources, report: Reporter): Promise<void> {
  const secrets: string[] = [];
  const fail = (message: string, hint?: string): string => {
    node.broken = true;
    report.add(node.place, path, message, hint);
    return "";
  };
  const resolve = async (inner: string): Promise<string> => {
    const cut = inner.indexOf(":");
    const kind = inner.slice(0, Math.max(0, cut));
    const rest = inner.slice(cut + 1);
    if (kind === "env") {
      const [, name, hasDefault, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(:-)?([^]*)$/.exec(rest) ?? [];
      if (name === undefined || (hasDefault === undefined && fallback !== "")) return fail(`\${${inner}} names no environment variable`, "write ${env:NAME} or ${env:NAME:-default}");
      const value = sources.env(name);
      if (hasDefault !== undefined && (value === undefined || value === "")) return fallback!;
      if (value === undefined) return fail(`the environment variable ${name} is not set`, `set it, or write \${env:${name}:-default}`);
      secrets.push(value);
      return value;
    }
    if (kind === "file" && rest !== "") {
      try {
        const value = (await sources.file(rest)).replace(/\r?\n$/, "");
        secrets.push(value);
        return value;
      } catch (error) {
        return fail(`the file ${JSON.stringify(rest)} cannot be read: ${reasonOf(error)}`, "the path is relative to the config file");
      }
    }
    return fail(`\${${inner}} is no placeholder that is known`, "write ${env:NAME}, ${env:NAME:-default} or ${file:path}; $${ stands for ${");
  };

  const parts: string[] = [];
  let end = 0;
  let whole = false;
  for (const match of text.matchAll(placeholder)) {
    parts.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    if (match[0] === "$${") parts.push("${");
    else if (match[2] !== "}") parts.push(fail("has a ${ without its }", "$${ stands for ${"));
    else {
      whole = match[0].length === text.length && match[1]!.startsWith("env:");
      parts.push(await resolve(match[1]!));
    }
  }
  node.shown = text;
  if (node.broken) return;
  node.value = parts.join("") + text.slice(end);
  node.whole = whole;
  node.secrets = secrets;
}

/** Why a file could not be read, in words, without its path. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "EISDIR") return "it is a folder";
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
