import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChild } from "./child.ts";
import type { Notable, Outcome } from "./outcome.ts";

const perFile = 240_000;

/**
 * Runs each test file with a `deno test` of its own, as `node --test` does, `concurrency` at a time: within one process they would share the environment, which libraries change
 * (node-opcua sets OPENSSL_CONF), and one that hangs could not be named. `perFile`: ms that a file may take, default 240,000.
 */
export async function runDenoTests(deno: string, files: readonly string[], options: { readonly cwd: string; readonly concurrency: number; readonly perFile?: number }): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-deno-"));
  const outcomes: Outcome[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < files.length) {
      const at = next++;
      outcomes[at] = await runFile(deno, files[at]!, { cwd: options.cwd, report: join(folder, `${at}.xml`), timeout: options.perFile ?? perFile });
    }
  };
  try {
    await Promise.all(Array.from({ length: options.concurrency }, work));
  } finally {
    await rm(folder, { recursive: true });
  }
  return {
    passed: outcomes.reduce((total, { passed }) => total + passed, 0),
    failures: outcomes.flatMap(({ failures }) => failures),
    skips: outcomes.flatMap(({ skips }) => skips),
  };
}

async function runFile(deno: string, file: string, options: { readonly cwd: string; readonly report: string; readonly timeout: number }): Promise<Outcome> {
  const { cwd, report, timeout } = options;
  const { code, stdout, stderr } = await runChild(deno, ["test", "-A", "--no-check", `--junit-path=${report}`, file], { cwd, timeout });
  const outcome = readReport(await readFile(report, "utf8").catch(() => ""), { file, printed: stdout });
  if (outcome.failures.length > 0 || code === 0) return outcome;
  return { ...outcome, failures: [{ name: file, text: code === 124 ? `took longer than ${timeout / 1000} s\n${stdout.slice(-2000)}` : `ended with ${code}\n${stderr}${stdout.slice(-4000)}` }] };
}

/** Reads the JUnit report of one file, and out of what was printed the errors outside of tests, which the report leaves out. */
export function readReport(junit: string, { file, printed }: { readonly file: string; readonly printed: string }): Outcome {
  const cases = [...junit.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(([, name = "", body = ""]) => ({ name: unescape(name), body }));
  const parents = new Set(cases.flatMap(({ name }) => prefixesOf(name)));
  let passed = 0;
  const failures: Notable[] = [];
  const skips: Notable[] = [];
  for (const { name, body } of cases) {
    const failure = /<failure[^>]*>([\s\S]*?)<\/failure>/.exec(body)?.[1];
    if (parents.has(name) && (failure === undefined || /^\d+ test steps? failed\.$/.test(failure))) continue;
    if (failure !== undefined) failures.push({ name: `${file}: ${name}`, text: unescape(failure) });
    else if (body.includes("<skipped")) skips.push({ name: `${file}: ${name}`, text: undefined });
    else passed++;
  }
  const outside = printed.search(/^\S+ \(uncaught error\)$/m);
  if (outside >= 0) failures.push({ name: file, text: printed.slice(outside).split("\n\n")[0] });
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
