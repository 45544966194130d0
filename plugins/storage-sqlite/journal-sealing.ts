import type { DatabaseSync } from "node:sqlite";
import { isWhole, splitBlocks, toBuffer, type Block } from "./block.ts";
import { walkBlocks } from "./block-rows.ts";
import type { BlockWriter } from "./block-writer.ts";
import type { Connection } from "./connection.ts";
import { entrySize } from "./entry-layout.ts";
import type { EntrySeal, Resealed } from "./entry-seal.ts";
import { atRestPrefix } from "./journal-pages.ts";
import { StorageFault } from "./storage-fault.ts";

/** How the encryption of a journal's fields stands when it is opened. */
export interface SealingState {
  /** The key that encrypted before; undefined when none did. */
  readonly previousKey: string | undefined;
  /** Entries from this offset on follow the present rules: older ones may have sensitive fields in plain text. */
  readonly from: number;
}

/** What one step over old entries found or did. */
export interface SealingStep {
  /** The `after` of the next step. */
  readonly after: number;
  readonly done: boolean;
  /** Entries looked at. */
  readonly looked: number;
  /** Entries that were not as the present rules and key want them; they are now, unless it was only counted. */
  readonly changed: number;
  /** Entries that cannot be decrypted, as they are not as they were written, or lie in a block that is not. */
  readonly damaged: number;
  /** Entries whose key is missing. */
  readonly locked: number;
  /** Bytes of entries that were written. */
  readonly bytes: number;
}

/** An entry that is about to be encrypted; `before`: its payload. */
export type Changing = Extract<Resealed, { readonly state: "changed" }>;

/** A step ends when it took so many milliseconds, or has so many bytes to write. */
const stepMs = 10;
const stepBytes = 8 * 1024 * 1024;
const named = (name: string): string => atRestPrefix + name;

/** The encryption of fields in a journal's file: which keys and rules it knows, and the way of old entries to the present ones. */
export class JournalSealing {
  readonly #connection: Connection<{ readonly blocks: BlockWriter }>;
  readonly #seal: EntrySeal;
  readonly #epoch: string;

  constructor(connection: Connection<{ readonly blocks: BlockWriter }>, { seal, epoch }: { readonly seal: EntrySeal; readonly epoch: string }) {
    this.#connection = connection;
    this.#seal = seal;
    this.#epoch = epoch;
  }

  /**
   * Takes note of the keys and rules from now on. `last`: the newest offset.
   * @throws {StorageFault} CONFIG when a key is another one than that of its id with which entries were encrypted.
   */
  begin(last: number): SealingState {
    const { keys, rules } = this.#seal;
    const meta = this.#meta();
    for (const id of keys?.ids ?? []) {
      const known = meta.get(named(`check:${id}`));
      if (known !== undefined && !keys!.isKey(id, known)) throw new StorageFault("CONFIG", `Cannot use the key "${id}": it is another one than the key of that id with which fields were encrypted`, { retryable: false });
    }
    const previousKey = meta.get(named("key"));
    const same = (meta.get(named("rules")) ?? "") === rules;
    const from = same ? Number(meta.get(named("from")) ?? 1) : last + 1;
    const wanted = new Map<string, string>();
    if (!same) wanted.set(named("rules"), rules).set(named("from"), String(from));
    if (keys && rules !== "") wanted.set(named("key"), keys.current).set(named(`check:${keys.current}`), keys.checkValue(keys.current));
    const changed = [...wanted].filter(([name, value]) => meta.get(name) !== value);
    if (changed.length > 0) this.#connection.change("note the keys of the journal", () => this.#note(changed));
    return { previousKey, from };
  }

  /** How many entries have fields encrypted with which key, by its id. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#database.prepare("select key, sum(entries) as entries from sealing group by key order by key").all().map((row) => [String(row["key"]), Number(row["entries"])]));
  }

  /** Counts, from `after` on, entries older than the rules that these would encrypt. A little at a time. */
  survey(after: number): SealingStep {
    const meta = this.#meta();
    const from = Number(meta.get(named("from")) ?? 1);
    if (this.#seal.rules === "" || after >= from - 1) return { after, done: true, looked: 0, changed: 0, damaged: 0, locked: 0, bytes: 0 };
    return this.#step(after, { limit: from, onChange: undefined });
  }

  /** Where `rekey` goes on: it was interrupted there. */
  rekeyedUpTo(): number {
    const done = this.#meta().get(named("rekeyed"));
    const prefix = this.#rekeyed("");
    return done?.startsWith(prefix) ? Number(done.slice(prefix.length)) : 0;
  }

  /** Brings entries after `after` to the present rules and key. A little at a time. `onChange` hears of each that is about to be changed. */
  rekey(after: number, onChange: (entry: Buffer, changing: Changing) => void): SealingStep {
    return this.#step(after, { limit: Number.MAX_SAFE_INTEGER, onChange });
  }

  /** Brings the retained values to the present rules and key. Returns how many cannot be. */
  rekeyRetained(): number {
    let left = 0;
    const changed: [topic: string, body: Buffer][] = [];
    for (const { topic, body } of this.#database.prepare("select topic, body from retained").all()) {
      const resealed = this.#seal.reseal(toBuffer(body as Uint8Array));
      if (resealed.state === "changed") changed.push([topic as string, resealed.entry]);
      else if (resealed.state !== "same") left++;
    }
    const update = this.#database.prepare("update retained set body = ? where topic = ?");
    this.#connection.change("encrypt retained values", () => {
      for (const [topic, body] of changed) update.run(body, topic);
    });
    return left;
  }

  /** Every entry follows the present rules and key: forgets how far this was, and the keys that are not in use any more. */
  finishRekey(): void {
    const used = new Set([...Object.keys(this.counts()), this.#seal.keys?.current]);
    const database = this.#database;
    this.#connection.change("note that all is encrypted", () => {
      this.#note([[named("from"), "1"]]);
      const remove = database.prepare("delete from meta where name = ?");
      remove.run(named("rekeyed"));
      for (const name of this.#meta().keys()) if (name.startsWith(named("check:")) && !used.has(name.slice(named("check:").length))) remove.run(name);
    });
  }

  #step(after: number, { limit, onChange }: { readonly limit: number; readonly onChange: ((entry: Buffer, changing: Changing) => void) | undefined }): SealingStep {
    const end = performance.now() + stepMs;
    const found = { looked: 0, changed: 0, damaged: 0, locked: 0 };
    const rewritten: { readonly block: Block; readonly body: Buffer }[] = [];
    let [upTo, bytes, more] = [after, 0, false];
    for (const block of walkBlocks(this.#database.prepare("select last, first, crc, body from block where last > ? order by last limit ?"), after)) {
      if (block.first >= limit) break;
      upTo = block.last;
      if (!isWhole(block, this.#epoch)) found.damaged += block.last - block.first + 1;
      else {
        const body = this.#reseal(toBuffer(block.body), found, onChange);
        if (body) rewritten.push({ block, body });
        bytes += body?.length ?? 0;
      }
      more = performance.now() > end || bytes > stepBytes;
      if (more) break;
    }
    if (onChange) {
      this.#connection.change("encrypt old entries", ({ blocks }) => {
        for (const { block, body } of rewritten) {
          blocks.remove(block.last, block.last);
          for (const part of splitBlocks(body, block.first, { epoch: this.#epoch })) blocks.write(part);
        }
        this.#note([[named("rekeyed"), this.#rekeyed(String(upTo))]]);
      });
    }
    return { after: upTo, done: !more, ...found, bytes };
  }

  /** The entries of a block as they are to be; undefined when they are so already. */
  #reseal(bytes: Buffer, found: { looked: number; changed: number; damaged: number; locked: number }, onChange: ((entry: Buffer, changing: Changing) => void) | undefined): Buffer | undefined {
    const parts: Buffer[] = [];
    let changed = false;
    for (let at = 0; at < bytes.length; at += entrySize(bytes, at)) {
      const entry = bytes.subarray(at, at + entrySize(bytes, at));
      const resealed = this.#seal.reseal(entry);
      found.looked++;
      if (resealed.state !== "same") found[resealed.state]++;
      if (resealed.state !== "changed") {
        parts.push(entry);
        continue;
      }
      changed = true;
      onChange?.(entry, resealed);
      parts.push(resealed.entry);
    }
    return changed ? Buffer.concat(parts) : undefined;
  }

  get #database(): DatabaseSync {
    return this.#connection.database;
  }

  #rekeyed(upTo: string): string {
    return `${this.#seal.rules} ${this.#seal.keys?.current ?? ""} ${upTo}`;
  }

  #meta(): ReadonlyMap<string, string> {
    return new Map(this.#database.prepare("select name, value from meta where name glob ?").all(`${atRestPrefix}*`).map((row) => [row["name"] as string, row["value"] as string]));
  }

  #note(entries: Iterable<readonly [name: string, value: string]>): void {
    const set = this.#database.prepare("insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value");
    for (const [name, value] of entries) set.run(name, value);
  }
}
