import { systemClock } from "@busbar/core";

/** Waits until something is so, 30 s at the most: a slow machine must not fail a test. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = systemClock.now() + 30_000;
  while (!holds()) {
    if (systemClock.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await systemClock.sleep(5);
  }
}
