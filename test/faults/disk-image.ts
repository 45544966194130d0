import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn, type DiskEvent } from "./disk-trace.ts";
import type { Random } from "./random.ts";

/** What lies in a folder, by name. */
export type DiskImage = ReadonlyMap<string, Buffer>;

/** Reads a folder that holds files only. */
export function readImage(folder: string): DiskImage {
  return new Map(namesIn(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

/** Makes a folder of an image. */
export function writeImage(image: DiskImage, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of image) writeFileSync(join(folder, name), bytes, { mode: 0o600 });
}

/** How what was not synced gets to the disk: in units of a page or of a sector, each as it was at some moment since the last sync; `kept` is how often that moment is the last one. */
export interface Luck {
  readonly unit: number;
  readonly kept: number;
}

/** Nothing is on the disk that was not synced. */
export const nothingStays: Luck = { unit: 4096, kept: 0 };

/** Everything stays, nothing does, pages of the cache in any order, sectors of 512 bytes in any order: the smallest that a disk writes whole. */
const kinds: readonly Luck[] = [{ unit: 4096, kept: 1 }, nothingStays, { unit: 4096, kept: 0.5 }, { unit: 512, kept: 0.5 }, { unit: 512, kept: 0.9 }];

/**
 * The disk after a power cut before event number `moment` of a program that began with `before`. What a sync covers is there. Of what was written later any part may be, each sector as it was at some
 * moment in between; names change in order, any number of them after the last sync of the folder: the sync of a file does not make its name last (POSIX promises no more, though ext4 and XFS do). `luck` is drawn unless it is given.
 */
export function cutPower(before: DiskImage, events: readonly DiskEvent[], { moment, random, luck = random.pick(kinds) }: { readonly moment: number; readonly random: Random; readonly luck?: Luck | undefined }): DiskImage {
  const past = events.slice(0, moment);
  const synced = new Map<number, number>();
  let named = 0;
  for (const event of past) {
    if (event.what === "sync") synced.set(event.file, event.upTo);
    else if (event.what === "sync-folder") named = event.upTo;
  }
  const cut = (from: number): number => (luck.kept === 1 || random.chance(luck.kept) ? moment : luck.kept === 0 ? from : random.between(from, moment));
  const lastNamed = cut(named);
  const files = new Map<number, Content>([...before.values()].map((bytes, file) => [file, new Content(bytes, luck.unit)]));
  const names = new Map<string, number>([...before.keys()].map((name, file) => [name, file]));
  for (const [at, event] of past.entries()) {
    if (event.what === "make") {
      files.set(event.file, new Content(Buffer.alloc(0), luck.unit));
      if (at < lastNamed) names.set(event.path, event.file);
    } else if (event.what === "write") files.get(event.file)!.write(event, { at, lasting: synced.get(event.file) ?? 0, cut });
    else if (event.what === "truncate") files.get(event.file)!.truncate(event.size, { at, lasting: synced.get(event.file) ?? 0, cut });
    else if (event.what === "remove" && at < lastNamed) names.delete(event.path);
    else if (event.what === "rename" && at < lastNamed) {
      names.set(event.to, names.get(event.from)!);
      names.delete(event.from);
    }
  }
  return new Map([...names].map(([name, file]) => [name, files.get(file)!.bytes]));
}

/** When something happens to a file: event number `at`; what lies before `lasting` is synced, and `cut` draws how far something got that is not. */
interface When {
  readonly at: number;
  readonly lasting: number;
  readonly cut: (from: number) => number;
}

/** What is in a file. */
class Content {
  readonly #unit: number;
  /** How far each unit got, once that is drawn. */
  readonly #cuts = new Map<number, number>();
  #sizeCut: number | undefined;
  bytes: Buffer;

  constructor(bytes: Buffer, unit: number) {
    this.bytes = Buffer.from(bytes);
    this.#unit = unit;
  }

  write({ at: place, bytes }: { readonly at: number; readonly bytes: Buffer }, when: When): void {
    const end = place + bytes.length;
    for (let from = place; from < end; ) {
      const unit = Math.floor(from / this.#unit);
      const to = Math.min(end, (unit + 1) * this.#unit);
      if (when.at < this.#cutOf(unit, when)) {
        this.#grow(to);
        bytes.copy(this.bytes, from, from - place, to - place);
      }
      from = to;
    }
  }

  truncate(size: number, when: When): void {
    this.#sizeCut ??= when.cut(when.lasting);
    if (when.at >= Math.max(when.lasting, this.#sizeCut)) return;
    this.#grow(size);
    this.bytes = this.bytes.subarray(0, size);
  }

  #cutOf(unit: number, { lasting, cut }: When): number {
    let found = this.#cuts.get(unit);
    if (found === undefined) this.#cuts.set(unit, (found = cut(lasting)));
    return found;
  }

  /** What is not there yet is zeros. */
  #grow(size: number): void {
    if (size <= this.bytes.length) return;
    this.bytes = Buffer.concat([this.bytes, Buffer.alloc(size - this.bytes.length)]);
  }
}
