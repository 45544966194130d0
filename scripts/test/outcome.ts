/** One test that failed or was skipped. */
export interface Notable {
  /** `file: suite > test`. */
  readonly name: string;
  /** The error, or why it was skipped; undefined where the runtime does not say. */
  readonly text: string | undefined;
}

/** What became of a part of the run. Suites are not counted, only what stands in them. */
export interface Outcome {
  readonly passed: number;
  readonly failures: readonly Notable[];
  readonly skips: readonly Notable[];
  /** Those that failed, and passed when their file was run again, alone. */
  readonly unsteady?: readonly Notable[];
}
