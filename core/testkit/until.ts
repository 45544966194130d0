import { inspect } from "node:util";

/** How `until` waits. */
export interface UntilOptions {
  /** Milliseconds of real time until it gives up. Default 20,000: a machine that is busy must not fail a test. */
  readonly within?: number;
  /** What is done between two looks, such as moving a fake clock on. Default: 5 ms pass. */
  readonly turn?: () => unknown;
  /** What the failure shows besides, such as what has been seen so far. Called once. */
  readonly show?: () => unknown;
}

/**
 * Waits for a condition, never for a time. `what` says which, as `"the spy has heard all"`. Resolves with what `holds` returns as soon as that is truthy;
 * what `holds` or `turn` throws ends it at once.
 *
 * ```ts
 * await until("all are there", () => seen.length === 200, { show: () => seen.length });
 * ```
 * @throws {Error} after `within`, with what it waited for, the value that `holds` returned last, and what `show` returns.
 */
export async function until<T>(what: string, holds: () => T | Promise<T>, { within = 20_000, turn = pause, show }: UntilOptions = {}): Promise<Exclude<T, false | 0 | "" | null | undefined>> {
  const end = performance.now() + within;
  for (;;) {
    const value = await holds();
    if (value) return value as Exclude<T, false | 0 | "" | null | undefined>;
    if (performance.now() > end) throw new Error(`Cannot wait longer for "${what}": not so within ${within / 1000} s, the last value is ${text(value)}${show === undefined ? "" : `, there is ${text(show())}`}`);
    await turn();
  }
}

// Not the Clock: tests wait for sockets and files in real time whatever clock the gateway has.
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

const text = (value: unknown): string => inspect(value, { depth: 3, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 20, maxStringLength: 500 });
