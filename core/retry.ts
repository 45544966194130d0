/** Between which pauses retries lie. */
export interface RetryRange {
  /** Milliseconds: the longest that the first pause may be. Default 100. */
  readonly min?: number;
  /** Milliseconds: what the pauses grow up to. Default 30,000. */
  readonly max?: number;
}

/**
 * The one retry policy: pauses that double from 0.1 s to 30 s, or within the range given, each drawn from the upper half of its range (jitter), so that many who failed together
 * do not come back together. `attempt` counts from 0. Returns milliseconds.
 */
export function retryDelay(attempt: number, { min = 100, max = 30_000 }: RetryRange = {}): number {
  const full = Math.min(max, min * 2 ** Math.min(attempt, 20));
  return full / 2 + Math.random() * (full / 2);
}
