/**
 * A store in one file, for Node and Deno.
 *
 * @module
 */
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { Store } from "./store.ts";

/** How a file store writes. */
export interface FileStoreOptions {
  /** Wait until the disk has it (fdatasync), so that it survives a power cut too. Default true. Without it, it survives the end of the process, and not that of the machine. */
  readonly sync?: boolean;
}

/** Bytes of superseded changes after which the file is written anew. */
const slack = 1024 * 1024;

/**
 * A store in a file: a log of changes, each line with its CRC-32. A line that is torn or damaged ends it: it and what follows is cut off, and the client goes on with what is before it. When most of the
 * file is superseded, it is written anew beside itself and takes its place. After a failed write nothing is written any more: whether the disk has what came before it is unknown then.
 */
export function fileStore(path: string, { sync = true }: FileStoreOptions = {}): Store {
  return new FileStore(path, sync);
}

class FileStore implements Store {
  readonly #path: string;
  readonly #sync: boolean;
  /** By key: the JSON text of its value. */
  readonly #values = new Map<string, string>();
  #file: FileHandle | undefined;
  #size = 0;
  #live = 0;
  #failure: unknown;

  constructor(path: string, sync: boolean) {
    this.#path = path;
    this.#sync = sync;
  }

  async load(): Promise<ReadonlyMap<string, unknown>> {
    await rm(`${this.#path}.new`, { force: true }); // one that was not finished
    const file = await open(this.#path, "a+", 0o600);
    this.#file = file;
    const whole = this.#read(new Uint8Array(await file.readFile()));
    await file.truncate(whole);
    this.#size = whole;
    return new Map(Array.from(this.#values, ([key, text]) => [key, JSON.parse(text) as unknown]));
  }

  async write(changes: ReadonlyMap<string, unknown>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const texts = Array.from(changes, ([key, value]): readonly [string, string | undefined] => [key, value === undefined ? undefined : JSON.stringify(value)]);
      await this.#append(this.#file!, formatLine(texts));
      for (const [key, text] of texts) this.#set(key, text);
      if (this.#size > 2 * this.#live + slack) await this.#compact();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #append(file: FileHandle, line: Uint8Array): Promise<void> {
    for (let at = 0; at < line.length; ) at += (await file.write(line, at, line.length - at)).bytesWritten;
    if (this.#sync) await file.datasync();
    this.#size += line.length;
  }

  /** Reads lines as long as they are whole. Returns the bytes that they take. */
  #read(bytes: Uint8Array): number {
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const changes = parseLine(bytes.subarray(start, end));
      if (changes === undefined) break;
      for (const [key, text] of changes) this.#set(key, text);
      start = end + 1;
    }
    return start;
  }

  #set(key: string, text: string | undefined): void {
    const before = this.#values.get(key);
    if (before !== undefined) this.#live -= sizeOf(key, before);
    if (text === undefined) this.#values.delete(key);
    else {
      this.#values.set(key, text);
      this.#live += sizeOf(key, text);
    }
  }

  /** The file as it would be had it only ever been told what it holds now. */
  async #compact(): Promise<void> {
    const fresh = await open(`${this.#path}.new`, "w", 0o600);
    const old = this.#file!;
    try {
      this.#size = 0;
      await this.#append(fresh, formatLine([...this.#values]));
      await rename(`${this.#path}.new`, this.#path);
      if (this.#sync) await syncFolder(dirname(this.#path));
    } catch (error) {
      await fresh.close();
      throw error;
    }
    this.#file = fresh;
    await old.close();
  }
}

/** Roughly what an entry takes in the file. */
function sizeOf(key: string, text: string): number {
  return key.length + text.length + 20;
}

/** `<CRC-32 in hexadecimal> <JSON array of [key] and [key, value]>\n` */
function formatLine(changes: readonly (readonly [string, string | undefined])[]): Uint8Array {
  const body = `[${changes.map(([key, text]) => (text === undefined ? `[${JSON.stringify(key)}]` : `[${JSON.stringify(key)},${text}]`)).join(",")}]`;
  return new TextEncoder().encode(`${checksum(new TextEncoder().encode(body))} ${body}\n`);
}

function parseLine(line: Uint8Array): readonly (readonly [string, string | undefined])[] | undefined {
  const body = line.subarray(9);
  if (line[8] !== 32 || new TextDecoder().decode(line.subarray(0, 8)) !== checksum(body)) return undefined;
  const changes = JSON.parse(new TextDecoder().decode(body)) as readonly (readonly [string, unknown?])[];
  return changes.map((change) => [change[0], change.length === 1 ? undefined : JSON.stringify(change[1])]);
}

function checksum(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}

/** A rename is on the disk when its folder is. Windows has no such thing, and needs none. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EISDIR" || error.code === "EPERM" || error.code === "EACCES") return undefined;
    throw error;
  });
  try {
    await folder?.sync();
  } finally {
    await folder?.close();
  }
}
