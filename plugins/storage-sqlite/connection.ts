import type { DatabaseSync, StatementSync } from "node:sqlite";
import { reopenDatabaseFile, run, type ConnectionOptions } from "./database-file.ts";
import { sqliteCode, toStorageError } from "./sqlite-error.ts";

/** What a connection is made of. */
export interface ConnectionParts<S> extends ConnectionOptions {
  readonly path: string;
  /** Prepares the statements of a new connection. */
  readonly prepare: (database: DatabaseSync) => S;
  /** Checks a file that was opened anew; what it throws ends the thread. */
  readonly check?: (database: DatabaseSync) => void;
}

/**
 * The connection to a file and its prepared statements. After an error of the medium it is thrown away and the next use opens another: a failed
 * fsync leaves nothing to rely on.
 */
export class Connection<S> {
  readonly #parts: ConnectionParts<S>;
  #database: DatabaseSync | undefined;
  #statements: S;
  #begin: StatementSync;
  #commit: StatementSync;

  /** Takes over a database that is open; `close` closes it. */
  constructor(database: DatabaseSync, parts: ConnectionParts<S>) {
    this.#parts = parts;
    this.#database = database;
    this.#statements = parts.prepare(database);
    this.#begin = database.prepare("begin immediate");
    this.#commit = database.prepare("commit");
  }

  /** The open database. @throws {StorageFault} when a new one cannot be opened. */
  get database(): DatabaseSync {
    if (this.#database) return this.#database;
    const database = reopenDatabaseFile(this.#parts.path, this.#parts);
    try {
      this.#parts.check?.(database);
      this.#statements = this.#parts.prepare(database);
      this.#begin = database.prepare("begin immediate");
      this.#commit = database.prepare("commit");
    } catch (error) {
      database.close();
      throw error;
    }
    return (this.#database = database);
  }

  get statements(): S {
    return this.database && this.#statements;
  }

  /** Whether it is open at the moment. */
  get live(): boolean {
    return this.#database !== undefined;
  }

  /**
   * Makes a change in one transaction; `synced` = false when a power cut may undo it without harm.
   * @throws {StorageFault} OVERLOAD or IO: nothing of it is then done.
   */
  change(doing: string, change: (statements: S) => void, synced = true): void {
    const lazy = !synced && this.#parts.durability === "full";
    this.guard(doing, (database) => {
      if (lazy) run(database, "pragma synchronous = normal");
      this.#begin.run();
      change(this.#statements);
      this.#commit.run();
      if (lazy) run(database, "pragma synchronous = full");
    });
  }

  /**
   * Does something that must not be gone on after when the medium fails.
   * @throws {StorageFault} OVERLOAD or IO.
   */
  guard(doing: string, work: (database: DatabaseSync) => void): void {
    const { database } = this;
    try {
      work(database);
    } catch (error) {
      try {
        if (database.isTransaction) run(database, "rollback");
        if (sqliteCode(error) === 13) run(database, `pragma synchronous = ${this.#parts.durability}`);
        else this.close();
      } catch (closing) {
        this.#database = undefined;
        throw toStorageError(error, `${doing} (then ${String(closing)})`);
      }
      throw toStorageError(error, doing);
    }
  }

  /** Moves the log into the file and closes it. */
  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }
}
