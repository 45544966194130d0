import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { readAck, type AckRecord } from "./ack-file.ts";
import { openDatabaseFile, run, type ConnectionOptions } from "./database-file.ts";
import type { EntrySeal } from "./entry-seal.ts";
import type { Finding } from "./finding.ts";
import { JournalFile, type JournalState } from "./journal-file.ts";
import { isJournal } from "./journal-pages.ts";
import { salvageJournal } from "./journal-salvage.ts";
import { cutTail, findMissingTail, keepLog, restoreTail, type MissingTail } from "./journal-tail.ts";
import { openOrSalvage } from "./open-or-salvage.ts";
import { PageReader } from "./page-reader.ts";
import { journalSchema } from "./schema-version.ts";
import { stampOf } from "./set-aside.ts";
import { toOpeningError } from "./sqlite-error.ts";

/** How the journal's file is opened. */
export interface JournalFileOptions extends ConnectionOptions {
  /** Now, ms since the Unix epoch: stands in the names of what is set aside. */
  readonly now: number;
  /** Encrypts and decrypts the sensitive fields of entries. */
  readonly seal: EntrySeal;
  /** Called now and then while a damaged file is salvaged. */
  readonly onProgress?: (() => void) | undefined;
}

/** A journal that is open, and what was found wrong with it. */
export interface OpenedJournal {
  readonly journal: JournalFile;
  readonly findings: readonly Finding[];
}

/** What recovery works with. */
interface Recovery {
  readonly path: string;
  readonly stamp: string;
  readonly ack: AckRecord | undefined;
  readonly missing: MissingTail | undefined;
  readonly durability: "full" | "normal";
}

/**
 * Opens or makes the file. What is damaged is set aside, and the findings say what is lost by that; offsets go on beyond what was ever acknowledged.
 * @throws {StorageFault} as `openDatabaseFile`, but for DAMAGED.
 */
export async function openJournal(path: string, options: JournalFileOptions): Promise<OpenedJournal> {
  const stamp = stampOf(options.now);
  const ack = readAck(path + "-ack");
  const recovery: Recovery = { path, stamp, ack, missing: findMissingTail(path, ack), durability: options.durability };
  let keptAs: string | undefined;
  const onLocked = (): void => void (recovery.missing && (keptAs ??= keepLog(recovery.missing, recovery)));
  const isOurs = (): boolean => looksLikeJournal(path, ack?.epoch);
  const migrations = async () => (await import("./migrations.ts")).journalMigrations;
  const open = async () => {
    const database = await openDatabaseFile(path, journalSchema, migrations, { ...options, isOurs, onLocked });
    try {
      const { state, findings } = recover(database, { ...recovery, keptAs });
      const journal = new JournalFile(database, { path, options, found: state, seal: options.seal });
      return { journal, findings, close: () => journal.close() };
    } catch (error) {
      database.close();
      throw toOpeningError(error, `open "${path}"`);
    }
  };
  const { opened, findings } = await openOrSalvage(path, { open, salvage: () => salvageJournal(path, options, { ack, stamp, onProgress: options.onProgress ?? (() => {}) }) });
  return { journal: opened.journal, findings: [...findings, ...opened.findings] };
}

/** Cuts what is torn at the end, finds again what the log still has of what is missing there, and makes sure that no offset is given twice. */
function recover(database: DatabaseSync, recovery: Recovery & { readonly keptAs: string | undefined }): { readonly state: JournalState; readonly findings: readonly Finding[] } {
  const { path, stamp, ack, keptAs } = recovery;
  run(database, "pragma synchronous = full"); // what is reported once has to stay as it was said to be
  database.prepare("insert or ignore into meta (name, value) values ('epoch', ?), ('last', '0')").run(randomUUID());
  const meta = (name: string): string => database.prepare("select value from meta where name = ?").get(name)!["value"] as string;
  const newest = (): number | null => database.prepare("select max(last) as last from block").get()!["last"] as number | null;
  const epoch = meta("epoch");
  // walks every leaf, though not what the blocks hold: a damaged one is better met now than by the views that are filled from the journal next
  for (const sum of ["max(first) from block", "max(first) from summary", "max(offset) from retained", "max(offset) from cursor"]) database.prepare(`select ${sum}`).all();
  const tail = cutTail(database, { path, stamp, epoch });
  const findings = [...tail.findings];
  const cursors = new Map(database.prepare("select name, offset from cursor").all().map((row) => [row["name"] as string, row["offset"] as number]));
  let last = Math.max(newest() ?? 0, Number(meta("last")), tail.last, ...cursors.values());
  if (ack?.epoch === epoch && ack.last > last) findings.push(restoreTail(database, recovery.missing ?? { last, blocks: [], wal: undefined }, { ack, keptAs }));
  const other = ack !== undefined && ack.epoch !== epoch;
  if (other) findings.push({ reason: "missing-tail", kind: "journal", lost: 0, message: `the journal is another one than before: the epoch of the old one was ${ack.epoch}, its newest offset ${ack.last}` });
  if (ack && (!other || last === 0)) last = Math.max(last, ack.last);
  const end = newest();
  if (last !== end) database.prepare("update meta set value = ? where name = 'last'").run(String(last));
  run(database, `pragma synchronous = ${recovery.durability}`);
  const first = (database.prepare("select first from block order by last limit 1").get()?.["first"] as number | undefined) ?? last + 1;
  return { state: { epoch, first, last, end, cursors }, findings };
}

function looksLikeJournal(path: string, epoch: string | undefined): boolean {
  if (!existsSync(path)) return false;
  const reader = new PageReader(path);
  try {
    return isJournal(reader, epoch);
  } finally {
    reader.close();
  }
}
