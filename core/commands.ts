/** How far a command has come (WIRE §4). */
export type CommandState = "queued" | "sent" | "done" | "failed" | "expired";

/** What an answer to a command carries as payload: an `ack` envelope to whoever gave the command. */
export interface CommandAnswer {
  /** The command's. */
  readonly msgid: string;
  readonly status: "ok" | "error";
  readonly result?: unknown;
}

/** What one device answered to a command for many. */
export interface DeviceAnswer {
  readonly status: "ok" | "error";
  readonly result?: unknown;
  /** Milliseconds since the Unix epoch: when the answer arrived. */
  readonly at: number;
}

/** A command and how far it has come. */
export interface CommandRecord {
  readonly msgid: string;
  /** Who gave it. */
  readonly from: string;
  /** Whom it is for. */
  readonly to: string;
  readonly state: CommandState;
  /**
   * What the device answered: set when done or failed. `{unconfirmed: true}` where its protocol knows no answers and the command was handed to its connection;
   * `{replaced: <msgid>}` when a later command took its place; `{expired: <ms>}` when its time ran out.
   */
  readonly result?: unknown;
  /** Of a command to `all` or a group: what each device answered, by id; of the first 1,000 devices. */
  readonly answers?: Readonly<Record<string, DeviceAnswer>>;
  /** Of a command to `all` or a group: how many devices it was handed to, and how many of them have answered. */
  readonly devices?: { readonly handed: number; readonly answered: number };
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
  /** Milliseconds since the Unix epoch: when it ends, if nothing ended it before. */
  readonly expires: number;
}

/** The commands of this gateway: a view of the `command/#` and `ack/#` messages of the journal. */
export interface Commands {
  /** The command of that msgid, or undefined when there is none (any more). `from`: whoever gave it, as msgids are unique per sender. */
  get(msgid: string, from?: string): CommandRecord | undefined;
  /**
   * Resolves with the record of a command of `from` when it is done, failed or expired: at once if it is.
   * @throws {BusbarError} NOT_FOUND when there is no such command (any more); the signal's reason when it aborts first.
   */
  ended(msgid: string, options: { readonly from: string; readonly signal: AbortSignal }): Promise<CommandRecord>;
}
