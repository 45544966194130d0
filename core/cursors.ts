/** A durable reader that the journal knows, whether it is there or not. */
export interface CursorRecord {
  /** `<instance>/<name>`, as in Bus.consume; `gateway/commands` keeps open commands in the journal. */
  readonly reader: string;
  /** Everything up to this offset is done: retention by age or `size` removes nothing beyond it. Of a reader with lanes the one that is furthest behind. */
  readonly offset: number;
  /** Offsets between that and the newest. */
  readonly behind: number;
  /** Whether a plugin reads with it at the moment. One that is not used holds back retention all the same. */
  readonly used: boolean;
}

/** The cursors of the journal, for who runs the gateway. The kernel provides it. */
export interface Cursors {
  /** All of them, in order of name. @throws {BusbarError} UNAVAILABLE while there is no journal; what Journal.cursors throws. */
  list(): Promise<readonly CursorRecord[]>;
  /**
   * Forgets one that nobody uses: a reader of that name begins anew, as if it had never been there. Resolves when it is gone.
   * @throws {BusbarError} NOT_FOUND when there is none, REFUSED when it is used, UNAVAILABLE while there is no journal.
   */
  drop(reader: string): Promise<void>;
}
