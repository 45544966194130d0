/**
 * Why something that was stored is not there any more: `torn-tail` blocks at the end were not as they were written, `missing-tail` the journal ended before what was
 * acknowledged, `damaged-file` the database itself was damaged, `damaged-block` blocks in the middle are not as they were written.
 */
export type LossReason = "torn-tail" | "missing-tail" | "damaged-file" | "damaged-block";

/** Something that was found wrong with a file, and what was done about it. */
export interface Finding {
  readonly reason: LossReason;
  readonly kind: "journal" | "series";
  /** How many entries or series are lost; 0 = none, or nobody can tell. */
  readonly lost: number;
  /** What happened, with the range of offsets, for the log. */
  readonly message: string;
  /** Where the damaged bytes were put. */
  readonly keptAs?: string | undefined;
}
