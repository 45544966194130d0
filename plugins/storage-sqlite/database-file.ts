import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync, chmodSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { DatabaseSync } from "node:sqlite";
import type { Migrations } from "./migrations.ts";
import { PageReader } from "./page-reader.ts";
import { toOpeningError, toStorageError } from "./sqlite-error.ts";
import type { SchemaVersion } from "./schema-version.ts";
import { StorageFault } from "./storage-fault.ts";
import { pageSize } from "./wal-reader.ts";

/** How a connection is set up. */
export interface ConnectionOptions {
  /** Whether each commit is on disk before it returns. */
  readonly durability: "full" | "normal";
  /** Page cache in KiB. */
  readonly cacheKiB: number;
  /** Bytes of the file beyond which writing fails as on a full disk; undefined = no limit. */
  readonly maxBytes?: number | undefined;
  /** Bytes written to the log before it is moved into the file; undefined = what suits the file. */
  readonly checkpointBytes?: number | undefined;
  /** Whether a file that does not begin as a database does was once one of this kind: it is then damaged, and refused otherwise. */
  readonly isOurs?: ((path: string) => boolean) | undefined;
  /** Called at the opening when nobody else can have the file open and nothing is changed yet, not even the log. */
  readonly onLocked?: (() => void) | undefined;
}

/**
 * Opens a file of ours, making it (mode 0600) and its folder where they are missing and migrating an older schema. What is no database, belongs to
 * another program or has a newer schema is refused before anything is written.
 * @throws {StorageFault} IO, not retryable, for such a file; DAMAGED for one of ours that is damaged, as far as that shows at once; UNAVAILABLE when another process has it
 * open; IO when it cannot be opened.
 */
export async function openDatabaseFile(path: string, schema: SchemaVersion, migrations: () => Promise<Migrations>, options: ConnectionOptions): Promise<DatabaseSync> {
  const doing = `open "${path}"`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    checkFile(path, schema, options.isOurs);
    if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
    else if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw new StorageFault("IO", `Cannot ${doing}: ${error.message}`, { cause: error, retryable: false });
    throw toStorageError(error, doing);
  }
  let database = openLocked(path);
  try {
    options.onLocked?.();
    if (userVersion(database) < schema.version) {
      run(database, "pragma journal_mode = delete"); // so that the header on disk always says the version, whatever happens
      const { migrate } = await import("./migrations.ts");
      await migrate(database, schema, await migrations());
      database.close();
      database = openLocked(path);
    }
    setUp(database, options);
    return database;
  } catch (error) {
    database.close();
    throw toStorageError(error, doing);
  }
}

/**
 * Opens a file that `openDatabaseFile` opened before, anew, after its connection failed.
 * @throws {StorageFault} as `openDatabaseFile`.
 */
export function reopenDatabaseFile(path: string, options: ConnectionOptions): DatabaseSync {
  const database = openLocked(path);
  try {
    setUp(database, options);
    return database;
  } catch (error) {
    database.close();
    throw toStorageError(error, `open "${path}"`);
  }
}

/** Takes the lock that keeps every other process out; with it SQLite needs no -shm file. */
export function openLocked(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    for (const text of ["pragma locking_mode = exclusive", "pragma temp_store = memory", "begin exclusive", "commit"]) run(database, text);
    return database;
  } catch (error) {
    database?.close();
    throw toStorageError(error, `open "${path}"`);
  }
}

function setUp(database: DatabaseSync, options: ConnectionOptions): void {
  for (const pragma of ["journal_mode = wal", `synchronous = ${options.durability}`, `cache_size = -${options.cacheKiB}`, "journal_size_limit = 67108864"]) run(database, "pragma " + pragma);
  // We checkpoint ourselves: SQLite's own one hides its errors, and a failed fsync must be seen. Frames left by a failed connection must not stay in use either.
  run(database, "pragma wal_autocheckpoint = 0");
  checkpoint(database, "truncate");
  if (options.maxBytes !== undefined) {
    const pageSize = database.prepare("pragma page_size").get()!["page_size"] as number;
    run(database, `pragma max_page_count = ${Math.max(16, Math.floor(options.maxBytes / pageSize))}`);
  }
}

/** Runs one statement of ours. Not `exec`: in Deno the errors of that one carry no SQLite code. */
export function run(database: DatabaseSync, text: string): void {
  database.prepare(text).all();
}

/**
 * Moves what the write-ahead log holds into the database file, durably.
 * @throws SQLite's error when that fails: the connection must then not be used any more.
 */
export function checkpoint(database: DatabaseSync, mode: "passive" | "truncate"): void {
  run(database, `pragma wal_checkpoint(${mode})`);
}

/** Makes the file anew, so that nothing is left in it of what was removed; the log is emptied. */
export function purge(database: DatabaseSync): void {
  run(database, "pragma temp_store = file"); // the copy that this takes may be larger than the memory; it is gone before anybody can find it by a name
  run(database, "vacuum");
  run(database, "pragma temp_store = memory");
  checkpoint(database, "truncate");
}

/** Bytes of the file that hold something. */
export function usedBytes(database: DatabaseSync): number {
  const pragma = (name: string): number => database.prepare(`pragma ${name}`).get()![name] as number;
  return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
}

const userVersion = (database: DatabaseSync): number => database.prepare("pragma user_version").get()!["user_version"] as number;

/** Looks at a file without SQLite's locks, logs and repairs, so that it stays as it is, byte for byte. */
function checkFile(path: string, schema: SchemaVersion, isOurs: ConnectionOptions["isOurs"]): void {
  if (!existsSync(path)) return;
  const { size } = statSync(path);
  const broken = (why: string): StorageFault => new StorageFault("DAMAGED", `Cannot open "${path}": the file is damaged${why}`);
  const refuse = (why: string): never => {
    throw new StorageFault("IO", `Cannot open "${path}": ${why}`, { retryable: false });
  };
  const log = hasBytes(path + "-wal");
  if (size === 0) {
    if (log) throw broken(": it is empty, its log is not"); // SQLite would remove the log
    return;
  }
  const header = Buffer.alloc(100);
  const file = openSync(path, "r");
  const length = readSync(file, header, 0, 100, 0);
  closeSync(file);
  if (length < 100 || header.toString("latin1", 0, 16) !== "SQLite format 3\0") {
    if (isOurs?.(path)) throw broken(": its beginning is");
    refuse("it is not an SQLite database");
  }
  const version = header.readInt32BE(60);
  if (header.readInt32BE(68) !== schema.applicationId) {
    // a file whose first migration was cut short by a crash says nothing yet; SQLite rolls it back when it opens it
    if (version !== 0 || header.readInt32BE(68) !== 0 || !existsSync(path + "-journal")) refuse("it is another program's database, or another kind of Busbar's");
  }
  if (version > schema.version) refuse(`its schema version is ${version}, this program knows up to ${schema.version}`);
  if (existsSync(path + "-journal")) return; // only SQLite can tell what it holds
  if (log) {
    if (lacksPages(path)) throw broken(": its end is missing");
    return; // not closed properly, or in use
  }
  const probe = new DatabaseSync(`${pathToFileURL(path).href}?immutable=1`, { readOnly: true });
  try {
    if (header.readUInt32BE(28) * pageSize > size) throw broken(": its end is missing");
    for (const { name } of probe.prepare("select name from sqlite_schema where type = 'table'").all() as { name: string }[]) {
      probe.prepare(`select * from "${name.replaceAll('"', '""')}" limit 1`).all();
    }
  } catch (error) {
    throw toOpeningError(error, `open "${path}"`);
  } finally {
    probe.close();
  }
}

const hasBytes = (path: string): boolean => existsSync(path) && statSync(path).size > 0;

/** Whether pages that the database had after its last commit are neither in the file nor in the log: SQLite would take them for zeros. */
function lacksPages(path: string): boolean {
  const reader = new PageReader(path);
  try {
    for (let page = reader.filePages + 1; page <= (reader.wal.pageCount ?? 0); page++) if (!reader.wal.pages.has(page)) return true;
    return false;
  } finally {
    reader.close();
  }
}
