import { createHash } from "node:crypto";
import type { LockedPackage } from "./lockfile.ts";

/** What a component of CycloneDX 1.5 has that matters here. */
export interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly object[];
}

/** A bill of materials, CycloneDX 1.5 in JSON. */
export interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp?: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** Licences that the package.json of a package does not name, and where they are found. */
const knownLicenses: Readonly<Record<string, string>> = {
  "dequeue@1.0.5": "BSD-2-Clause", // its LICENSE
  "humanize@0.0.9": "MIT", // its LICENSE
  "precond@0.2.3": "MIT", // its README.md
};

/**
 * Completes what `npm sbom` prints of everything that is locked. Without `dev` it leaves out what only development and tests need; npm's own `--omit dev` leaves out, too, what
 * they share with the rest (npm 11.19: ws, for one). Then: licences that npm does not know, the names of this workspace's packages, for which npm takes their folders, and a serial number that
 * stands for the lockfile's packages instead of one drawn at random, without a time: the same lockfile gives the same bytes.
 */
export function completeBom(bom: Bom, packages: readonly LockedPackage[], { dev }: { readonly dev: boolean }): Bom {
  const wanted = new Set([bom.metadata.component["bom-ref"], ...packages.filter((one) => dev || !one.dev).map(({ name, version }) => `${name}@${version}`)]);
  const { timestamp: _, ...metadata } = bom.metadata;
  return {
    ...bom,
    serialNumber: `urn:uuid:${uuidOf(packages.map(({ name, version, integrity }) => `${name}@${version} ${integrity}`).sort().join("\n"))}`,
    metadata: { ...metadata, component: named(bom.metadata.component) },
    components: bom.components.filter((component) => wanted.has(component["bom-ref"])).map((component) => {
      const license = knownLicenses[component["bom-ref"]];
      return { ...named(component), ...(component.licenses === undefined && license !== undefined ? { licenses: [{ license: { id: license } }] } : {}) };
    }),
    dependencies: bom.dependencies.filter(({ ref }) => wanted.has(ref)).map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => wanted.has(one)) })),
  };
}

/** `bom-ref` is name@version, the name as its package.json has it. */
function named(component: Component): Component {
  const ref = component["bom-ref"];
  const at = ref.lastIndexOf("@");
  return { ...component, name: ref.slice(0, at) };
}

/** A UUID of version 8 (RFC 9562 §5.8) that a text determines. */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
