import { realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { ancestors, readManifest } from "../package-entry.ts";

/** The package of core itself. */
const ownPackage = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * The folders that code of these packages is loaded from: the packages, core, every node_modules folder that a lookup from them finds, and packages that are linked into one
 * (workspaces), with what those depend on. Absolute paths without symbolic links.
 */
export async function codeFolders(packages: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  const installs = new Set<string>();
  const visit = async (folder: string): Promise<void> => {
    const real = await realpath(folder);
    if (found.has(real)) return;
    const install = real.lastIndexOf(`${sep}node_modules${sep}`);
    if (install >= 0) return void installs.add(real.slice(0, install + `${sep}node_modules`.length));
    found.add(real);
    for (const name of dependenciesOf(await readManifest(real))) {
      for (const at of ancestors(real)) {
        const place = await realpath(join(at, "node_modules", name)).catch(() => undefined);
        if (place === undefined) continue;
        installs.add(join(at, "node_modules"));
        await visit(place);
        break;
      }
    }
  };
  for (const folder of [ownPackage, ...packages]) await visit(folder);
  return [...found, ...installs].sort();
}

function dependenciesOf(manifest: object | undefined): readonly string[] {
  const { dependencies } = (manifest ?? {}) as { readonly dependencies?: unknown };
  return typeof dependencies === "object" && dependencies !== null ? Object.keys(dependencies) : [];
}
