import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, truncate } from "node:fs/promises";
import { ChainWalk, noHash, noKey, type ChainHead } from "@busbar/core";
import { readHead } from "./head-file.ts";
import type { KeyRing } from "./key-ring.ts";
import { listLogFiles, readLines, type LogFile } from "./log-files.ts";

/** Something that was not as the gateway had left it. */
export interface Damage {
  readonly what: "torn" | "truncated" | "edited" | "head";
  readonly text: string;
}

/** Where a log goes on. */
export interface LogState {
  /** The last entry that is as it was written; 0 and `noHash` when there is none. */
  readonly seq: number;
  readonly hash: string;
  /** The key of that entry. */
  readonly key: string;
  /** The file to go on with, its length, and the time of its first entry in ms since the Unix epoch; absent: a new one. */
  readonly file?: { readonly path: string; readonly size: number; readonly began: number };
  readonly damages: readonly Damage[];
}

/**
 * Finds out where a log goes on: checks its last file and the head, and cuts off a last line that is not whole, as a crash leaves it. Anything else that is wrong stays where it is, as evidence, and the log goes on in a new file:
 * a gateway starts whatever was done to its log, and says so in it.
 */
export async function openLog({ folder, headFile, ring }: { readonly folder: string; readonly headFile: string; readonly ring: KeyRing }): Promise<LogState> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files = await listLogFiles(folder);
  const damages: Damage[] = [];
  let head = await readHead(headFile, ring, true);
  const heads: ChainHead[] = typeof head === "object" && head.seq > 0 ? [{ ...head, of: "the head file" }] : [];
  const state = await lastSound(files, { ring, heads, damages });
  if (state.key !== noKey) head = await readHead(headFile, ring, false); // a head without a key only fits a log without one
  if (head === "forged") damages.push({ what: "head", text: "the head file was not written by this gateway" });
  if (head === "missing" && files.length > 0) damages.push({ what: "head", text: "the head file was missing: the end of the log may have been cut off" });
  const { seq } = state;
  if (typeof head === "object" && head.seq > seq) damages.push({ what: "truncated", text: `the log ended with entry ${seq}, but the head file knew entry ${head.seq}` });
  return { ...state, damages };
}

interface Search {
  readonly ring: KeyRing;
  readonly heads: readonly ChainHead[];
  readonly damages: Damage[];
}

/** The last entry that is sound: of the last file, or of the one before where nothing of that one is. */
async function lastSound(files: readonly LogFile[], search: Search): Promise<Omit<LogState, "damages">> {
  for (const file of files.toReversed()) {
    const found = await checkFile(file, search);
    if (found !== undefined) return found;
  }
  return { seq: 0, hash: noHash, key: noKey };
}

async function checkFile(file: LogFile, { ring, heads, damages }: Search): Promise<Omit<LogState, "damages"> | undefined> {
  const walk = new ChainWalk({ digests: ring.digests, keyed: false, heads });
  walk.file(file.name, file.seq);
  let sound: { readonly seq: number; readonly hash: string; readonly key: string } | undefined;
  let size = 0;
  let torn = 0;
  reading: for await (const page of readLines(file.path)) {
    for (const line of page.lines) {
      walk.line(line);
      if (!walk.sound) break reading;
      sound = { seq: walk.last!.seq, hash: walk.last!.hash, key: walk.key };
      size += line.length + 1;
    }
    torn = page.torn;
  }
  if (!walk.sound) {
    const { line, text } = walk.findings.at(-1)!;
    damages.unshift({ what: "edited", text: `${file.name}:${line}: ${text}` });
    if (sound === undefined) await rename(file.path, `${file.path}.bad-${randomUUID().slice(0, 8)}`); // its name is that of the file that is to come
    return sound;
  }
  if (torn > 0) {
    damages.push({ what: "torn", text: `${file.name}: ${torn} bytes of a line that was not whole are cut off` });
    await truncate(file.path, size);
  }
  if (sound === undefined) await rm(file.path);
  return sound && { ...sound, file: { path: file.path, size, began: walk.first!.time } };
}
