import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readLockfile } from "./supply-chain/lockfile.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Manifest {
  readonly workspaces?: readonly string[];
  readonly scripts?: Readonly<Record<string, string>>;
  readonly allowScripts?: Readonly<Record<string, boolean>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const workspace = JSON.parse(read("package.json")) as Manifest;
const packages = ["core", "client", "cli", ...readdirSync(join(root, "plugins")).map((name) => `plugins/${name}`)].filter((folder) => existsSync(join(root, folder, "package.json")));
const manifests = ["package.json", ...packages.map((folder) => `${folder}/package.json`)];

test("nothing that Busbar needs to run has an install script, and what has one is denied it by name", () => {
  const scripted = readLockfile(root).filter(({ installScript }) => installScript);
  assert.deepEqual(scripted.filter(({ dev }) => !dev).map(({ name }) => name), []);
  assert.deepEqual(workspace.allowScripts, Object.fromEntries(scripted.map(({ name }) => [name, false])));
});

test("the packages here have no install script, and npm test installs without any", () => {
  const lifecycle = ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"];
  for (const file of manifests) assert.deepEqual(Object.keys((JSON.parse(read(file)) as Manifest).scripts ?? {}).filter((name) => lifecycle.includes(name)), [], file);
  for (const folder of packages) assert.equal(existsSync(join(root, folder, "binding.gyp")), false, `${folder} would be built by npm`);
  assert.match(read("scripts/ensure-installed.mjs"), /\["ci", "--ignore-scripts"\]/);
  assert.doesNotMatch(read(".npmrc"), /ignore-scripts/, "it would skip pretest and prestart, too, which install what is missing");
});

test("every dependency is pinned to one version, in every package.json and kind, and locked with its SHA-512", () => {
  for (const file of manifests) {
    const { dependencies, devDependencies, optionalDependencies, peerDependencies } = JSON.parse(read(file)) as Manifest;
    for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies })) assert.match(range, /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/, `${file} pins ${name}`);
  }
  for (const { path, own, integrity } of readLockfile(root)) if (!own) assert.match(integrity ?? "none", /^sha512-[A-Za-z0-9+/]{86}==$/, path);
});

test("what is run without being installed is pinned, too", () => {
  for (const [name, line] of Object.entries(workspace.scripts ?? {})) for (const [, named] of line.matchAll(/-p (\S+)/g)) assert.match(named!, /@\d+\.\d+\.\d+$/, `npm run ${name}`);
});
