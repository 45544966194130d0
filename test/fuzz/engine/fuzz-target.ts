/** One parser under fire. */
export interface FuzzTarget {
  /** Lower case with dashes; also the folder of its corpus. */
  readonly name: string;
  /** What it is and where its bytes come from, in one sentence. */
  readonly about: string;
  /** Whole, right inputs to begin with, besides those of the corpus folder. */
  readonly seeds: readonly Uint8Array[];
  /** Pieces that its inputs are made of: keywords, markers, length fields. */
  readonly words?: readonly Uint8Array[];
  /** Longest input in bytes. Default 4096. */
  readonly maxLength?: number;
  /**
   * Makes the function that is given each input; it may keep state, as one connection does.
   * It returns a short word for what came of the input ("message", "refused at its length"): inputs with a new word become seeds. It throws for anything that must not be: an error of another
   * kind than the parser documents, an invariant that does not hold. The bytes are its own until it returns.
   */
  open(): FuzzRun | Promise<FuzzRun>;
  /** Ends what `open` has begun. */
  close?(): void | Promise<void>;
}

/** Parses one input. */
export type FuzzRun = (bytes: Uint8Array) => string | Promise<string>;

/** An input that did what it must not. */
export interface Finding {
  readonly target: string;
  readonly kind: "error" | "hang" | "growth" | "exit";
  /** The error with its causes, or what was measured. */
  readonly text: string;
  readonly input: Uint8Array;
}

/** Bytes of a text as UTF-8. */
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
