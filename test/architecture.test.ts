import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Source files over 300 lines, and why they are. Generated ones do not count. */
const longFiles: Readonly<Record<string, string>> = {
};

/** What core uses of the runtime (DESIGN §4: only host, config and testkit may), by file. */
const runtimeUse: Readonly<Record<string, { readonly modules: readonly string[]; readonly reason: string }>> = {
  "core/host.ts": { modules: ["node:os", "node:process"], reason: "the process: signals, errors nobody caught, stderr" },
  "core/kernel/kernel.ts": { modules: ["node:async_hooks"], reason: "an error nobody caught is put down to the plugin in whose context it arose" },
  "core/kernel/instance.ts": { modules: ["node:path"], reason: "ctx.path, computed without touching the disk" },
  "core/at-rest/at-rest-keys.ts": { modules: ["node:crypto"], reason: "AES-GCM within the turn in which a batch is written; WebCrypto's is asynchronous" },
  "core/memory-journal.ts": { modules: ["node:crypto"], reason: "a journal has an identity drawn at random" },
  "core/session/signed/signed-messages.ts": { modules: ["node:crypto"], reason: "HMAC within the turn in which a message comes; WebCrypto's is asynchronous" },
  "core/kernel/route-states.ts": { modules: ["node:zlib"], reason: "what steps remember is compressed within the turn in which it is written; CompressionStream is asynchronous" },
  "core/route-msgid.ts": { modules: ["node:crypto"], reason: "message ids behind a route are digests; WebCrypto's are asynchronous" },
};
const runtimeFolders: Readonly<Record<string, string>> = {
  "core/config/": "files, folders and the environment that a config is made of",
  "core/kernel/isolate/": "starts the processes and workers of isolates, and runs inside them",
  "core/listener/": "the sockets of defineAdapter; node:net and node:tls are the same on both runtimes",
  "core/testkit/": "runs in tests only",
};

/** Imports of packages that the package.json does not name, and why. */
const undeclared: Readonly<Record<string, string>> = {
  "core/testkit/framing-suite.ts imports fast-check": "the suites run in tests, whose packages install fast-check for themselves",
};

/** Where it matters which runtime this is (STYLE 12: only core/host.ts). */
const runtimeChecks: Readonly<Record<string, string>> = {
  "core/host.ts": "the one place that knows",
  "bench/machine/runtimes.ts": "the benchmarks compare the runtimes",
  "plugins/storage-sqlite/temporary-storage.ts": "part of its tests: starts a child process on the runtime under test",
};

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly license?: string;
  readonly type?: string;
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly keywords?: readonly string[];
  readonly busbar?: { readonly api?: string; readonly runtimes?: readonly string[] };
  readonly scripts?: Readonly<Record<string, string>>;
}

const readText = (path: string): string => readFileSync(join(root, path), "utf8");
const readJson = <T = Manifest>(path: string): T => JSON.parse(readText(path)) as T;

function filesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === "data" || entry.name.startsWith(".") ? [] : filesBelow(path);
    return [path];
  });
}

const workspace = readJson("package.json");
const packages = ["core", "client", ...readdirSync(join(root, "plugins")).map((name) => `plugins/${name}`), "cli"].filter((folder) => existsSync(join(root, folder, "package.json")));
const all = filesBelow("");
const source = all.filter((file) => /(?<!\.d)\.ts$/.test(file) && !file.includes("/gen/"));
const isTest = (file: string): boolean => /\.test\.ts$|\/testing\//.test(file);
const packageOf = (file: string): string | undefined => packages.find((folder) => file.startsWith(`${folder}/`));

/** What a file imports, and whether only types. */
function importsOf(file: string): readonly { readonly name: string; readonly types: boolean }[] {
  const text = readText(file);
  const named = [...text.matchAll(/^(import|export)\s+(type\s)?[^;"'`]*?from\s+"([^"]+)"/gm)].map(([, , types, name]) => ({ name: name!, types: types !== undefined }));
  const others = [...text.matchAll(/^import "([^"]+)"|\bimport\("([^"]+)"\)/gm)].map(([, bare, dynamic]) => ({ name: (bare ?? dynamic)!, types: false }));
  return [...named, ...others];
}

/** A bare import's package. */
const packageName = (name: string): string => name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/");

/** Fails with every offence, a line each. */
function assertNone(offences: readonly string[]): void {
  assert.equal(offences.join("\n"), "");
}

test("packages import each other by name, never by path", () => {
  assertNone(
    source.flatMap((file) => {
      const own = packageOf(file);
      if (own === undefined) return [];
      return importsOf(file).flatMap(({ name }) => {
        const target = name.startsWith(".") ? relative(root, join(root, dirname(file), name)).split(sep).join("/") : undefined;
        return target === undefined || target.startsWith(`${own}/`) ? [] : [`${file} imports ${name}`];
      });
    }),
  );
});

test("core imports no plugin, and no plugin imports another", () => {
  const plugins = new Set(packages.filter((folder) => folder.startsWith("plugins/")).map((folder) => readJson(`${folder}/package.json`).name));
  assertNone(
    source.flatMap((file) => {
      const own = packageOf(file);
      if (own === undefined || own === "cli" || isTest(file)) return [];
      const self = readJson(`${own}/package.json`).name;
      return importsOf(file).flatMap(({ name }) => (plugins.has(packageName(name)) && packageName(name) !== self ? [`${file} imports ${name}`] : []));
    }),
  );
});

test("packages import only what their package.json names; tests may use what the workspace has", () => {
  const manifests = new Map(packages.map((folder): [string, Manifest] => [folder, readJson(`${folder}/package.json`)]));
  const dependencies = [workspace.devDependencies, ...[...manifests.values()].flatMap((manifest) => [manifest.dependencies, manifest.devDependencies])];
  const installed = new Set([...[...manifests.values()].map(({ name }) => name), ...dependencies.flatMap((names) => Object.keys(names ?? {}))]);
  assertNone(
    source.flatMap((file) => {
      const own = manifests.get(packageOf(file) ?? "");
      if (own === undefined) return [];
      const allowed = isTest(file) ? installed : new Set([own.name, ...Object.keys(own.dependencies ?? {})]);
      return importsOf(file).flatMap(({ name }) => (/^(?:\.|node:)/.test(name) || allowed.has(packageName(name)) || `${file} imports ${name}` in undeclared ? [] : [`${file} imports ${name}, which the package.json of ${own.name} does not name`]));
    }),
  );
});

test("core uses runtime modules only in host, config and testkit, and where a reason stands here", () => {
  const used = source
    .filter((file) => file.startsWith("core/") && !isTest(file) && !Object.keys(runtimeFolders).some((folder) => file.startsWith(folder)))
    .flatMap((file) => importsOf(file).flatMap(({ name, types }) => (name.startsWith("node:") && !types ? [`${file} uses ${name}`] : [])));
  const allowed = Object.entries(runtimeUse).flatMap(([file, { modules }]) => modules.map((name) => `${file} uses ${name}`));
  assert.deepEqual([...new Set(used)].sort(), allowed.sort());
});

test("only core/host.ts asks which runtime this is", () => {
  const asks = source.filter((file) => !isTest(file) && /\bDeno\.|\bversions(?:\.deno|\["deno"\])|"Deno" in|\.Deno\b/.test(withoutComments(readText(file))));
  assert.deepEqual(asks.sort(), Object.keys(runtimeChecks).sort());
});

test("every exported symbol has a docstring", () => {
  const declaration = /^export (?:default (?!\w+;)|(?:abstract |async )?(?:const|function\*?|class|interface|type) )(?!\{)/;
  assertNone(
    source
      .filter((file) => !isTest(file))
      .flatMap((file) => {
        const lines = readText(file).split("\n");
        return lines.flatMap((line, at) => {
          if (!declaration.test(line) || isOverload(lines, at)) return [];
          return lines[at - 1]?.trimEnd().endsWith("*/") && hasDocStart(lines, at - 1) ? [] : [`${file}:${at + 1} ${line.slice(0, 80)}`];
        });
      }),
  );
});

/** A further signature of a function stands right below another one. */
function isOverload(lines: readonly string[], at: number): boolean {
  const name = /^export (?:async )?function (\w+)/.exec(lines[at]!)?.[1];
  return name !== undefined && lines.slice(0, at).some((line) => new RegExp(`^export (?:async )?function ${name}\\b.*;$`).test(line));
}

function hasDocStart(lines: readonly string[], end: number): boolean {
  for (let at = end; at >= 0; at--) {
    if (lines[at]!.includes("/**")) return true;
    if (at < end && lines[at]!.includes("*/")) return false;
  }
  return false;
}

test("each package's mod.ts says in @module what it is", () => {
  const modules = packages.map((folder) => `${folder}/${folder === "cli" ? "main" : "mod"}.ts`);
  assertNone(modules.filter((file) => !/^(?:#!.*\n)?\/\*\*[\s\S]*?@module[\s\S]*?\*\//.test(readText(file))));
});

test("no source file is over 300 lines without a reason, and no reason stands for a file that is not", () => {
  const long = source.filter((file) => readText(file).trimEnd().split("\n").length > 300);
  assert.deepEqual(long.sort(), Object.keys(longFiles).sort());
});

test("files are named after a concept, in kebab-case", () => {
  const vague = /^(?:utils?|helpers?|types?|common|misc|shared)(?:[-.]|$)/;
  assertNone(source.filter((file) => vague.test(basename(file)) || !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.ts$/.test(basename(file))));
});

test("tests skip by option and with a reason, as Deno takes a skip from inside for a pass", () => {
  const dynamic = /\bt\.(?:skip|todo)[(]|\bskip: tru[e]\b|\btest\.(?:skip|todo|only)[(]/;
  assertNone(source.filter((file) => isTest(file) && dynamic.test(withoutComments(readText(file)))));
});

test("package.json, deno.json and the lockfile agree", () => {
  const deno = readJson<{ readonly workspace: readonly string[]; readonly tasks: Readonly<Record<string, string>> }>("deno.json");
  const lock = readJson<{ readonly packages: Readonly<Record<string, Manifest>> }>("package-lock.json");
  assert.deepEqual([...deno.workspace].sort(), packages.map((folder) => `./${folder}`).sort());
  for (const [task, line] of Object.entries(deno.tasks)) {
    const plain = line.replaceAll(/deno run (?:--\S+ )+/g, "deno run "); // which permissions: test/deno-permissions.test.ts
    assert.equal(plain, `deno run scripts/ensure-installed.mjs && ${workspace.scripts?.[task]?.replace(/^node (?:--max-semi-space-size=\d+ )?/, "deno run ")}`, `task ${task}`);
  }
  for (const folder of packages) {
    const { name, version, dependencies = {} } = readJson(`${folder}/package.json`);
    assert.equal(version, workspace.version, `version of ${name}`);
    assert.deepEqual(lock.packages[folder]?.dependencies ?? {}, dependencies, `${name} in package-lock.json`);
    for (const [dependency, range] of Object.entries(dependencies)) {
      if (dependency.startsWith("@busbar/")) assert.equal(range, version, `${name} needs ${dependency}`);
      else assert.match(range, /^\d/, `${name} pins ${dependency}`);
    }
  }
});

test("each package has what a stranger looks for", () => {
  assertNone(
    packages.flatMap((folder) => {
      const { name, description, license, type, engines, keywords, busbar } = readJson(`${folder}/package.json`);
      const plugin = folder.startsWith("plugins/");
      const missing = [
        ...(existsSync(join(root, folder, "README.md")) ? [] : ["README.md"]),
        ...(description ? [] : ["description"]),
        ...(license === workspace.license ? [] : [`license ${workspace.license}`]),
        ...(type === "module" ? [] : ["type module"]),
        ...(engines?.["node"] ? [] : ["engines.node"]),
        ...(plugin && !keywords?.includes("busbar-plugin") ? ["the keyword busbar-plugin"] : []),
        ...(plugin && !(busbar?.api && busbar.runtimes?.length) ? ["busbar.api and busbar.runtimes"] : []),
      ];
      return missing.map((what) => `${name} has no ${what}`);
    }),
  );
});

/** Without comments, roughly: a // within a string ends the line, too, which is good enough for what is looked for. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}
