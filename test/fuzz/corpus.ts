import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("./corpus", import.meta.url));

/** The inputs that are kept of a target: what once was a finding, and what once brought a new outcome. */
export function readCorpus(target: string): readonly Uint8Array[] {
  const folder = join(root, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).sort().map((name) => Uint8Array.from(readFileSync(join(folder, name))));
}

/** Keeps an input, under its digest; `finding` puts that word before it. Returns its path from the repository's root. */
export function keepInput(target: string, input: Uint8Array, { finding = false }: { readonly finding?: boolean } = {}): string {
  const name = `${finding ? "finding-" : ""}${createHash("sha256").update(input).digest("hex").slice(0, 12)}`;
  mkdirSync(join(root, target), { recursive: true });
  writeFileSync(join(root, target, name), input);
  return `test/fuzz/corpus/${target}/${name}`;
}
