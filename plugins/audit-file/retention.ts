import { rm, stat } from "node:fs/promises";
import { parseChainLine } from "@busbar/core";
import { firstLine, listLogFiles } from "./log-files.ts";
import { syncFolder } from "./sync-folder.ts";

/** The oldest files of a log, which are to go. */
export interface Outdated {
  readonly files: readonly string[];
  /** The number of their first and of their last entry, and the hash of that. */
  readonly first: number;
  readonly last: number;
  readonly hash: string;
  readonly reason: "age" | "size";
}

/** Finds whole files that are too old, or too much, the oldest first; never the newest one. Undefined when there are none. */
export async function findOutdated(folder: string, { keep, maxSize, now }: { readonly keep: number; readonly maxSize: number; readonly now: number }): Promise<Outdated | undefined> {
  const files = await listLogFiles(folder);
  const sizes = await Promise.all(files.map(async ({ path }) => (await stat(path)).size));
  let total = sizes.reduce((sum, size) => sum + size, 0);
  let found: Outdated | undefined;
  for (const [at, file] of files.slice(0, -1).entries()) {
    // What the next file begins with follows on this one's last entry, and came after it.
    const next = parseChainLine((await firstLine(files[at + 1]!.path)) ?? "");
    const old = next !== undefined && now - next.time > keep;
    if (next === undefined || (!old && total <= maxSize)) break;
    total -= sizes[at]!;
    found = { files: [...(found?.files ?? []), file.path], first: files[0]!.seq, last: next.seq - 1, hash: next.prev, reason: old ? "age" : "size" };
  }
  return found;
}

/** Removes them, the oldest first, so that what is left is always without a gap. */
export async function removeOutdated({ files }: Outdated, folder: string): Promise<void> {
  for (const file of files) await rm(file, { force: true });
  await syncFolder(folder);
}
