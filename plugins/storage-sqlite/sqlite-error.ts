import { StorageFault } from "./storage-fault.ts";

/** The primary result code of an error of node:sqlite (sqlite.org/rescode.html), or undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_SQLITE_ERROR") return undefined;
  return "errcode" in error && typeof error.errcode === "number" ? error.errcode & 0xff : 1; // Deno's exec() says no more than that it is SQLite's
}

/**
 * Says what an error of SQLite means to a caller: full (13) is OVERLOAD, busy or locked (5, 6) UNAVAILABLE, damaged or no database (11, 26)
 * DAMAGED, everything else of SQLite IO. Errors that are not SQLite's stay what they are.
 */
export function toStorageError(error: unknown, doing: string): unknown {
  const code = sqliteCode(error);
  if (code === undefined) return error;
  if (code === 13) return new StorageFault("OVERLOAD", `Cannot ${doing}: the disk or the size limit is full`, { cause: error });
  if (code === 5 || code === 6) return new StorageFault("UNAVAILABLE", `Cannot ${doing}: another process has it open`, { cause: error });
  if (code === 11 || code === 26) return new StorageFault("DAMAGED", `Cannot ${doing}: the file is damaged`, { cause: error });
  return new StorageFault("IO", `Cannot ${doing}: it cannot be read or written`, { cause: error });
}

/** As `toStorageError`, for a file that is being opened: that our own statements are refused (1) then means that its schema is not what it was. */
export function toOpeningError(error: unknown, doing: string): unknown {
  return sqliteCode(error) === 1 ? new StorageFault("DAMAGED", `Cannot ${doing}: its schema is damaged`, { cause: error }) : toStorageError(error, doing);
}
