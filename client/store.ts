/**
 * Where a client keeps what must survive its process: messages that are not acknowledged yet, how far a subscription has come, which commands were carried out. A small map of JSON values. One
 * client uses it at a time. `storeSuite` of this package's tests holds every implementation.
 */
export interface Store {
  /** Everything that is in it. Called once, first. @throws {Error} when it cannot be read at all; what is merely torn off at its end is left out. */
  load(): Promise<ReadonlyMap<string, unknown>>;
  /**
   * Applies changes, all or none; `undefined` removes a key. Resolves when they would survive the end of the process. Never called again before it has resolved.
   * @throws {Error} when they were not kept.
   */
  write(changes: ReadonlyMap<string, unknown>): Promise<void>;
  /** Lets go of what it holds. */
  close(): Promise<void>;
}
