/** Resolves once the condition holds. @throws {Error} after `seconds`, default 20. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, seconds = 20): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !(await holds()); await new Promise((resolve) => setTimeout(resolve, 2))) {
    if (performance.now() > end) throw new Error(`not so within ${seconds} s: ${what}`);
  }
}
