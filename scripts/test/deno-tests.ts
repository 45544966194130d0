import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChild } from "./child.ts";
import type { Notable, Outcome } from "./outcome.ts";

/** Runs test files with `deno test`, two at a time. */
export async function runDenoTests(deno: string, files: readonly string[], options: { readonly cwd: string; readonly timeout: number }): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-deno-"));
  const report = join(folder, "junit.xml");
  try {
    const args = ["test", "-A", "--no-check", "--parallel", `--junit-path=${report}`, ...files];
    const { code, stdout, stderr } = await runChild(deno, args, { ...options, env: { DENO_JOBS: "2" } });
    const outcome = readReport(await readFile(report, "utf8").catch(() => ""), stdout);
    if (outcome.failures.length > 0 || code === 0) return outcome;
    return { ...outcome, failures: [{ name: "deno test", text: code === 124 ? `took longer than ${options.timeout / 1000} s\n${stdout.slice(-2000)}` : `ended with ${code}\n${stderr}${stdout.slice(-4000)}` }] };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Reads the JUnit report, and out of what was printed the errors outside of tests, which the report leaves out. */
export function readReport(junit: string, printed: string): Outcome {
  const cases = [...junit.matchAll(/<testcase name="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(([, name = "", file = "", body = ""]) => ({ name: unescape(name), file: unescape(file), body }));
  const parents = new Set(cases.flatMap(({ name }) => prefixesOf(name)));
  let passed = 0;
  const failures: Notable[] = [];
  const skips: Notable[] = [];
  for (const { name, file, body } of cases) {
    const failure = /<failure[^>]*>([\s\S]*?)<\/failure>/.exec(body)?.[1];
    if (parents.has(name) && (failure === undefined || /^\d+ test steps? failed\.$/.test(failure))) continue;
    const title = file.startsWith("ext:") ? name : `${file.replace(/^\.\//, "")}: ${name}`; // a step of describe() does not know its file
    if (failure !== undefined) failures.push({ name: title, text: unescape(failure) });
    else if (body.includes("<skipped")) skips.push({ name: title, text: undefined });
    else passed++;
  }
  for (const file of new Set([...printed.matchAll(/^(\S+) \(uncaught error\)$/gm)].map(([, file = ""]) => file))) {
    const at = printed.indexOf(`${file} (uncaught error)`);
    failures.push({ name: file.replace(/^\.\//, ""), text: printed.slice(at, at + 3000).split("\n\n")[0] });
  }
  return { passed, failures, skips };
}

function prefixesOf(name: string): readonly string[] {
  const steps = name.split(" > ");
  return steps.slice(1).map((_, at) => steps.slice(0, at + 1).join(" > "));
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescape(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (all, decimal?: string, hex?: string, name?: string) =>
    decimal !== undefined ? String.fromCodePoint(Number(decimal)) : hex !== undefined ? String.fromCodePoint(Number.parseInt(hex, 16)) : (entities[name!] ?? all),
  );
}
