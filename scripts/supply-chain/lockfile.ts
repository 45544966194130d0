import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One package of the lockfile. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Where it is installed, below the root. */
  readonly path: string;
  /** Subresource integrity, `sha512-…`; undefined for packages of this workspace. */
  readonly integrity: string | undefined;
  /** As the package says it; undefined where it says none. */
  readonly license: string | undefined;
  /** Only development and tests need it. */
  readonly dev: boolean;
  /** It would run a program of its own when it is installed. */
  readonly installScript: boolean;
  /** It is one of this workspace. */
  readonly own: boolean;
}

interface LockEntry {
  readonly name?: string;
  readonly version?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
}

/** The packages of a folder's package-lock.json (lockfileVersion 3), the root left out, each place of a workspace package once. */
export function readLockfile(root: string): readonly LockedPackage[] {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { readonly packages: Readonly<Record<string, LockEntry>> };
  return Object.entries(packages).flatMap(([path, { name, version, integrity, license, dev = false, hasInstallScript = false, link = false }]) => {
    if (path === "" || link) return [];
    const own = !/(^|\/)node_modules\//.test(path);
    return [{ name: name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length), version: version ?? "", path, integrity, license, dev, installScript: hasInstallScript, own }];
  });
}
