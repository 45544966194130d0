import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openLocked } from "./database-file.ts";

/*
 * A damaged database is replaced by one that was made from what could be read of it, so that a crash at any moment leaves either of the two in place:
 *   <name>.salvage            being made; worth nothing
 *   <name>.salvaged-<time>    complete; `finishReplacement` puts it in place
 *   <name>.damaged-<time>     the damaged one, with -wal and -journal where they were; nobody removes it but people
 */

/** The time as it stands in the name of a file. */
export function stampOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replaceAll(":", "");
}

/** Where a damaged file, or what was cut from a file, is put. */
export function damagedName(path: string, stamp: string): string {
  let name = `${path}.damaged-${stamp}`;
  for (let at = 2; existsSync(name); at++) name = `${path}.damaged-${stamp}-${at}`;
  return name;
}

/** The write-ahead logs of the database at `path` that were kept aside. */
export function keptLogs(path: string): readonly string[] {
  const prefix = basename(path) + "-wal.damaged-";
  return readdirSync(dirname(path)).filter((name) => name.startsWith(prefix)).map((name) => join(dirname(path), name));
}

/** Where the new file is made; what an earlier try left there is removed. @throws {StorageFault} UNAVAILABLE when another process is making it. */
export function salvageName(path: string): string {
  if (existsSync(path + ".salvage")) openLocked(path + ".salvage").close();
  for (const tail of ["", "-wal", "-journal"]) rmSync(`${path}.salvage${tail}`, { force: true });
  return path + ".salvage";
}

/** Puts the file at `salvageName(path)`, which is complete and closed, in the place of the damaged one. Returns where that one is now. */
export function replaceDamaged(path: string, stamp: string): string {
  sync(path + ".salvage", "r+");
  renameSync(path + ".salvage", `${path}.salvaged-${stamp}`);
  syncFolder(path);
  return finishReplacement(path)!;
}

/** Ends a replacement that a crash interrupted. Returns where the damaged file is now; undefined when there was nothing to do. */
export function finishReplacement(path: string): string | undefined {
  const prefix = basename(path) + ".salvaged-";
  const made = existsSync(dirname(path)) ? readdirSync(dirname(path)).find((name) => name.startsWith(prefix)) : undefined;
  if (made === undefined) return undefined;
  const aside = `${path}.damaged-${made.slice(prefix.length)}`;
  for (const tail of ["", "-wal", "-journal"]) if (existsSync(path + tail)) renameSync(path + tail, aside + tail);
  renameSync(join(dirname(path), made), path);
  syncFolder(path);
  return aside;
}

/** Keeps `bytes` in a file of their own, durably. */
export function keepDurably(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes, { mode: 0o600, flush: true });
  syncFolder(path);
}

/** Makes renames in the folder of `path` last; Windows does not let a folder be opened. */
function syncFolder(path: string): void {
  if (process.platform !== "win32") sync(dirname(path), "r");
}

function sync(path: string, flags: string): void {
  const file = openSync(path, flags);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
