/**
 * The one retry policy: pauses that double from 0.1 s to 30 s, each drawn from the upper half of its range (jitter), so that many who failed together
 * do not come back together. `attempt` counts from 0. Returns milliseconds.
 */
export function retryDelay(attempt: number): number {
  const full = Math.min(30_000, 100 * 2 ** Math.min(attempt, 20));
  return full / 2 + Math.random() * (full / 2);
}
