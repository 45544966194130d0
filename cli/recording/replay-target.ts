import type { RecordedMessage } from "./recording-file.ts";

/** Where a recording is played into. */
export interface ReplayTarget {
  /** Hands a message over, in order; resolves when there is room for the next one. */
  send(message: RecordedMessage): Promise<void>;
  /** Waits for everything that is under way, and ends. */
  finish(): Promise<ReplayOutcome>;
}

/** What became of the messages. */
export interface ReplayOutcome {
  readonly sent: number;
  /** Of qos 1 and 2: known to be stored. */
  readonly acknowledged: number;
  /** By error code, such as FORBIDDEN. */
  readonly refused: ReadonlyMap<string, number>;
}
