import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandFor } from "@busbar/core";
import type { Bom } from "./supply-chain/complete-bom.ts";
import { readLockfile } from "./supply-chain/lockfile.ts";
import { runChild } from "./test/child.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

async function sbom(...args: readonly string[]): Promise<Bom> {
  const [program, ...rest] = commandFor(join("scripts", "sbom.ts")) as [string, ...string[]];
  const { code, stdout, stderr } = await runChild(program, [...rest, ...args], { cwd: root, timeout: 120_000 });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Bom;
}

test("npm run sbom has every package that is not for development only, with version, purl, licence and SHA-512, and the same each time", async () => {
  const bom = await sbom();
  assert.deepEqual([bom.bomFormat, bom.specVersion, bom.metadata.component.name], ["CycloneDX", "1.5", "busbar-workspace"]);
  assert.match(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  const needed = readLockfile(root).filter(({ dev }) => !dev);
  const listed = new Map(bom.components.map((component) => [`${component.name}@${component.version}`, component]));
  assert.deepEqual([...listed.keys()].sort(), [...new Set(needed.map(({ name, version }) => `${name}@${version}`))].sort());
  for (const { name, version, integrity, own } of needed) {
    const { purl, licenses, hashes } = listed.get(`${name}@${version}`)!;
    assert.equal(purl, `pkg:npm/${name.replace("@", "%40")}@${version}`);
    assert.equal(licenses?.length, 1, `licence of ${name}`);
    if (!own) assert.deepEqual(hashes, [{ alg: "SHA-512", content: Buffer.from(integrity!.slice("sha512-".length), "base64").toString("hex") }], name);
  }
  const refs = new Set([bom.metadata.component, ...bom.components].map((component) => component["bom-ref"]));
  assert.deepEqual(bom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]).filter((ref) => !refs.has(ref)), []);
  assert.deepEqual(await sbom(), bom);
});

test("npm run sbom -- --dev has what tests need, too", async () => {
  const names = new Set((await sbom("--dev")).components.map(({ name }) => name));
  for (const { name } of readLockfile(root).filter(({ dev }) => dev)) assert.ok(names.has(name), name);
});
