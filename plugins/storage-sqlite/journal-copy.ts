import { copyFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { BusbarError, type Encryption, type Journal } from "@busbar/core";
import { openStorage } from "./storage.ts";

/** A journal to read from, apart from the file it was copied from. */
export interface JournalCopy extends AsyncDisposable {
  readonly journal: Journal;
}

/** Attempts to copy a file that somebody writes to. */
const attempts = 5;

/**
 * Opens a copy of a journal's file, made in the system's folder for temporary files and gone when it is disposed of: the file itself is only read. A gateway may have it open: what
 * was committed is in the copy, as long as nothing is written while it is made. Fields that are encrypted stay so in the copy; `encryption` has the keys with which they are read.
 *
 * @throws {BusbarError} IO when it cannot be read or is no journal, UNAVAILABLE when somebody writes to it all the time.
 */
export async function openJournalCopy(file: string, { encryption }: { readonly encryption?: Encryption | undefined } = {}): Promise<JournalCopy> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-journal-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const copy = join(folder, basename(file));
    await copyQuietFile(file, copy);
    const storage = await openStorage({ file: copy, encryption });
    return {
      journal: storage.journal,
      async [Symbol.asyncDispose]() {
        await storage.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Copies a database and its write-ahead log, which belong together only if neither changed meanwhile. */
async function copyQuietFile(file: string, copy: string): Promise<void> {
  const parts = ["", "-wal", "-journal"];
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = await stampsOf(file, parts);
    if (before[0] === undefined) throw new BusbarError("IO", `Cannot read "${file}": there is no such file`);
    for (const [at, part] of parts.entries()) {
      await rm(copy + part, { force: true });
      if (before[at] !== undefined) await copyFile(file + part, copy + part);
    }
    const after = await stampsOf(file, parts);
    if (before.every((stamp, at) => stamp === after[at])) return;
  }
  throw new BusbarError("UNAVAILABLE", `Cannot copy "${file}": a gateway is writing to it; stop it first`);
}

async function stampsOf(file: string, parts: readonly string[]): Promise<readonly (string | undefined)[]> {
  return await Promise.all(parts.map((part) => stat(file + part, { bigint: true }).then(({ size, mtimeNs }) => `${size} ${mtimeNs}`, () => undefined)));
}
