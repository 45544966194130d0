import { readdirSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { BusbarError, loadEncryption, type EncryptionConfig } from "@busbar/core";
import { openStorage } from "./storage.ts";
import type { RekeyProgress, RekeyResult } from "./rekeying.ts";
import type { SealedCounts } from "./worker-protocol.ts";

/** Where a storage is, and how its fields are encrypted: of the config of storage-sqlite. */
export interface RekeyPlan {
  /** The journal's file, absolute. */
  readonly file: string;
  readonly encryption: EncryptionConfig;
  /** Topics whose payloads are stored as series. */
  readonly readings: readonly string[];
  readonly durability: "full" | "normal";
}

/** How a rekeying is watched. */
export interface RekeyOptions {
  /** Makes the name of a key file absolute. */
  readonly path: (file: string) => string;
  /** Called after each step. `upTo`: the offset up to which all is done, of `last`. */
  readonly onProgress: (progress: RekeyProgress & { readonly upTo: number; readonly last: number }) => void;
  /** Only says how many messages there are under which key, and changes nothing. */
  readonly countOnly: boolean;
}

/** What a rekeying has done. */
export interface RekeyReport extends RekeyResult {
  /** Messages with encrypted fields before, by the id of the key. */
  readonly before: SealedCounts;
  /** Files that were set aside as damaged, which are left as they are: they may hold what is encrypted now, or what the old key opens. */
  readonly aside: readonly string[];
}

/** Larger than any journal: no limit of the config may end a rekeying, which makes a journal a little larger. */
const noLimit = 8 * 1024 ** 4;

/**
 * Brings the files of a storage to the rules and the first key of its config. The gateway must not run. May be killed at any moment: the next one goes on.
 * @throws {BusbarError} CONFIG when a key cannot be used, UNAVAILABLE when the gateway runs, OVERLOAD when the disk is full, IO when the file cannot be read or written.
 */
export async function rekeyStorage({ file, encryption, readings, durability }: RekeyPlan, { path, onProgress, countOnly }: RekeyOptions): Promise<RekeyReport> {
  const storage = await openStorage({ file, durability, readings, encryption: await loadEncryption(encryption, path), journalLimit: noLimit, seriesLimit: noLimit });
  try {
    const { journal, rekeying } = storage;
    const before = rekeying.opened.counts;
    const { last } = journal.bounds();
    const aside = setAside(file);
    if (countOnly) return { ...(await rekeying.survey(new AbortController().signal)), retainedLeft: 0, counts: before, before, aside };
    return { ...(await rekeying.rekey((upTo, progress) => onProgress({ ...progress, upTo, last }))), before, aside };
  } finally {
    await storage.close();
  }
}

function setAside(file: string): readonly string[] {
  const folder = dirname(file);
  const stem = basename(file, extname(file));
  try {
    return readdirSync(folder).filter((name) => name.startsWith(stem) && name.includes(".damaged-")).map((name) => join(folder, name));
  } catch (error) {
    throw new BusbarError("IO", `Cannot read the folder of "${file}": ${(error as Error).message}`, { cause: error, retryable: false });
  }
}
