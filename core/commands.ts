/** How far a command has come (WIRE §4). */
export type CommandState = "queued" | "sent" | "done" | "failed" | "expired";

/** A command and how far it has come. */
export interface CommandRecord {
  readonly msgid: string;
  /** Who gave it. */
  readonly from: string;
  /** Whom it is for. */
  readonly to: string;
  readonly state: CommandState;
  /** What the device answered: set when done or failed. */
  readonly result?: unknown;
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
  /** Milliseconds since the Unix epoch: when it ends as `expired`. */
  readonly expires: number;
}

/** The commands of this gateway: a view of the `command/#` and `ack/#` messages of the journal. */
export interface Commands {
  /** The command of that msgid, or undefined when there is none (any more). `from`: whoever gave it, as msgids are unique per sender. */
  get(msgid: string, from?: string): CommandRecord | undefined;
}
