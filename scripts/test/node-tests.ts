import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { runChild } from "./child.ts";
import type { Notable, Outcome } from "./outcome.ts";

/** A line of node-reporter.ts. `whole`: it stands for a file, not for a test in it. */
export type NodeRecord =
  | { readonly kind: "stderr"; readonly file: string; readonly text: string }
  | { readonly kind: "test"; readonly file: string; readonly id: number; readonly parent: number; readonly suite: boolean; readonly whole: boolean; readonly name: string; readonly result: "pass" | "fail" | "skip"; readonly text?: string | undefined };

type TestRecord = Extract<NodeRecord, { kind: "test" }>;

const reporter = fileURLToPath(new URL("./node-reporter.ts", import.meta.url));
const perTest = 240_000;

/** Runs test files with `node --test`, `concurrency` at a time. `timeout`: ms that they may take together, `perTest`: that one may take, default 240,000. */
export async function runNodeTests(node: string, files: readonly string[], options: { readonly cwd: string; readonly timeout: number; readonly concurrency: number; readonly perTest?: number }): Promise<Outcome> {
  const args = ["--test", `--test-concurrency=${options.concurrency}`, `--test-timeout=${options.perTest ?? perTest}`, `--test-reporter=${reporter}`, ...files];
  const { code, stdout, stderr } = await runChild(node, args, options);
  const outcome = readRecords(stdout, options.cwd);
  if (outcome.failures.length > 0 || code === 0) return outcome;
  return { ...outcome, failures: [{ name: "node --test", text: code === 124 ? `took longer than ${options.timeout / 1000} s` : `ended with ${code}\n${stderr}` }] };
}

/** Reads what the reporter wrote. */
export function readRecords(output: string, cwd: string): Outcome {
  const stderr = new Map<string, string>();
  const tests = new Map<string, TestRecord>();
  const parents = new Set<string>();
  for (const line of output.split("\n")) {
    if (!line.startsWith('{"kind":')) continue;
    const record = JSON.parse(line) as NodeRecord;
    const file = relative(cwd, record.file) || record.file;
    if (record.kind === "stderr") {
      stderr.set(file, (stderr.get(file) ?? "") + record.text);
      continue;
    }
    tests.set(`${file}#${record.whole ? "whole" : record.id}`, { ...record, file });
    parents.add(`${file}#${record.parent}`);
  }
  const named = (at: TestRecord): string => {
    const above = tests.get(`${at.file}#${at.parent}`);
    return above === undefined || at.whole ? at.name : `${named(above)} > ${at.name}`;
  };
  let passed = 0;
  const failures: Notable[] = [];
  const skips: Notable[] = [];
  for (const [key, test] of tests) {
    const { file, result, suite, whole, text } = test;
    const parent = parents.has(key);
    if (parent && (suite || result !== "fail")) continue;
    if (suite && result === "pass") continue;
    const name = whole ? file : `${file}: ${named(test)}`;
    if (result === "pass") passed++;
    else if (result === "skip") skips.push({ name, text });
    else failures.push({ name, text: whole ? [text, stderr.get(file)].filter(Boolean).join("\n") : text });
  }
  return { passed, failures, skips };
}
