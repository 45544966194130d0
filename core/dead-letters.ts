import type { Envelope } from "./envelope.ts";

/** A message that a sink refused for good. It is an envelope of type `dead-letter` in the journal, on `dead-letter/<reader>`. */
export interface DeadLetter {
  /** Names it: the msgid of its envelope. */
  readonly id: string;
  /** Its place in the journal. */
  readonly offset: number;
  /** The durable reader that could not hand the message over: `<instance>/<name>`. */
  readonly reader: string;
  /** What the sink said. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch: when it was refused. */
  readonly time: number;
  /** What was refused. */
  readonly message: Envelope;
  /** The place of that message in the journal. */
  readonly place: number;
}

/** Which dead letters are meant: those of these ids, or all of one reader, or all. */
export interface DeadLetterChoice {
  readonly ids?: readonly string[] | undefined;
  readonly reader?: string | undefined;
}

/** The dead letters of this gateway: a view of the `dead-letter/#` messages of the journal. */
export interface DeadLetters {
  /**
   * Oldest first, from after the id `after` on, read from the journal. `limit` 1–1,000.
   * @throws {BusbarError} NOT_FOUND when there is no dead letter `after` (any more); what `Journal.read` throws.
   */
  list(query: { readonly reader?: string | undefined; readonly after?: string | undefined; readonly limit: number }): Promise<readonly DeadLetter[]>;
  /** How many there are. */
  readonly size: number;
  /** Hands them to their readers again, which then take them before anything else. Resolves with their number once that is durable. */
  replay(choice: DeadLetterChoice): Promise<number>;
  /** Forgets them. Resolves with their number once that is durable. */
  drop(choice: DeadLetterChoice): Promise<number>;
}
