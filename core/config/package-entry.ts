import { readFile, readdir, stat } from "node:fs/promises";
import { dirname, join, parse } from "node:path";

/** What discovery reads of a package.json. */
export interface Manifest {
  readonly name?: unknown;
  readonly version?: unknown;
  readonly description?: unknown;
  readonly keywords?: unknown;
  readonly main?: unknown;
  readonly exports?: unknown;
  readonly busbar?: unknown;
}

/** The folder and every folder above it, nearest first. */
export function ancestors(folder: string): readonly string[] {
  const found = [folder];
  for (let at = folder; at !== parse(at).root; ) found.push((at = dirname(at)));
  return found;
}

/** The package.json of a folder, or undefined when there is none or it is no JSON object. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined; // a folder in node_modules that is no package is none of ours
  }
}

/** The file that `import` of a package loads: `exports` (Node.js Packages, "Conditional exports"), else `main`, else index.js. */
export function entryFile(folder: string, manifest: Manifest): string {
  const { exports, main } = manifest;
  const root = typeof exports === "object" && exports !== null && "." in exports ? exports["."] : exports;
  return join(folder, conditional(root) ?? (typeof main === "string" ? main : "index.js"));
}

/** The file that `import` of `<package>/<name>` loads, `name` beginning with "./"; undefined when the package exports nothing of that name. */
export function exportFile(folder: string, { exports }: Manifest, name: string): string | undefined {
  const target = typeof exports === "object" && exports !== null ? conditional((exports as Readonly<Record<string, unknown>>)[name]) : undefined;
  return target === undefined ? undefined : join(folder, target);
}

function conditional(target: unknown): string | undefined {
  if (typeof target === "string") return target;
  if (Array.isArray(target)) return target.map(conditional).find((found) => found !== undefined);
  if (typeof target !== "object" || target === null) return undefined;
  for (const [condition, next] of Object.entries(target)) {
    if (condition === "import" || condition === "node" || condition === "default") {
      const found = conditional(next);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** The names in a folder, in order; none when it cannot be read. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}

/** Whether there is a file. */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
