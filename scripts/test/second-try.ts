import type { Outcome } from "./outcome.ts";

/** Files that are given a second try: when more fail, the fault is not the machine's. */
const mostFiles = 3;

/**
 * Runs the files in which something failed once more, alone, when they are few: on a busy machine a test may run out of time. What passes then is `unsteady` instead of failed, and stays in the report with
 * its first error, so that somebody looks at it; what fails again has failed.
 */
export async function secondTry(first: Outcome, run: (files: readonly string[]) => Promise<Outcome>): Promise<Outcome> {
  const files = [...new Set(first.failures.map(({ name }) => fileOf(name)))];
  if (files.length === 0 || files.length > mostFiles || files.some((file) => file === undefined)) return first;
  const second = await run(files as string[]);
  const failedAgain = new Set(second.failures.map(({ name }) => fileOf(name) ?? name));
  const unsteady = first.failures.filter(({ name }) => !failedAgain.has(fileOf(name)!));
  return {
    passed: first.passed + unsteady.length,
    failures: [...first.failures.filter((one) => !unsteady.includes(one)), ...second.failures.filter(({ name }) => !first.failures.some((one) => one.name === name))],
    skips: first.skips,
    unsteady,
  };
}

/** The file of a test's name, which is `file: test`, or the file itself; undefined where it is neither. */
function fileOf(name: string): string | undefined {
  return /^(\S+\.test\.ts)(?::|$)/.exec(name)?.[1];
}
