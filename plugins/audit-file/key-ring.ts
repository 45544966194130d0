import { createHash, createHmac, randomBytes } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { BusbarError, noKey, type Digest } from "@busbar/core";

/** The keys that a log is made or checked with. */
export interface KeyRing {
  /** The name of the one in use. */
  readonly current: string;
  /** Of all of them and of no key, by name. */
  readonly digests: ReadonlyMap<string, Digest>;
}

/** Characters of a key, 256 bits as base64url being 43 of them. */
const shortest = 32;
const longestFile = 65_536;

const plain: Digest = (text) => createHash("sha256").update(text, "latin1").digest("base64url");

/** The ring of a log without a key: SHA-256. */
export const plainRing: KeyRing = { current: noKey, digests: new Map([[noKey, plain]]) };

/** The ring of some keys, the first of which is in use. A key's name tells nothing about it. */
export function createKeyRing(keys: readonly string[]): KeyRing {
  const named = keys.map((key) => [createHash("sha256").update(`busbar audit key\n${key}`).digest("base64url").slice(0, 12), key] as const);
  const digests = new Map<string, Digest>([[noKey, plain]]);
  for (const [name, key] of named) digests.set(name, (text) => createHmac("sha256", key).update(text, "latin1").digest("base64url"));
  return { current: named[0]![0], digests };
}

/** Reads the keys of a file. @throws {BusbarError} CONFIG when others have access to it or there is no fit key in it, IO when it cannot be read. */
export async function readKeyRing(file: string): Promise<KeyRing> {
  return createKeyRing(await readKeys(file));
}

/** The same; the file is made, with one new key, when it does not exist. */
export async function openKeyRing(file: string): Promise<{ readonly ring: KeyRing; readonly created: boolean }> {
  try {
    return { ring: await readKeyRing(file), created: false };
  } catch (error) {
    if (!(error instanceof BusbarError) || (error.cause as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") throw error;
  }
  await writeKeys(file, [newKey()]);
  return { ring: await readKeyRing(file), created: true };
}

/** Puts a new key before those of the file, which stay to check what was made with them. Resolves with the new ring. */
export async function rotateKey(file: string): Promise<KeyRing> {
  const keys = [newKey(), ...(await readKeys(file))];
  await writeKeys(file, keys);
  return createKeyRing(keys);
}

const newKey = (): string => randomBytes(32).toString("base64url");

async function readKeys(file: string): Promise<string[]> {
  try {
    const { mode, size } = await stat(file);
    if (process.platform !== "win32" && (mode & 0o077) !== 0) throw new BusbarError("CONFIG", `Cannot use the audit key in "${file}": others have access to it, mode ${(mode & 0o777).toString(8).padStart(4, "0")}; chmod 600 it`);
    if (size > longestFile) throw new BusbarError("CONFIG", `Cannot use "${file}" as audit keys: it has ${size} bytes, ${longestFile} are allowed`);
    const keys = (await readFile(file, "utf8")).split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
    if (keys.length === 0 || keys.some((key) => key.length < shortest)) throw new BusbarError("CONFIG", `Cannot use "${file}" as audit keys: each line has to be a key of at least ${shortest} characters`);
    return keys;
  } catch (error) {
    if (error instanceof BusbarError) throw error;
    throw new BusbarError("IO", `Cannot read the audit key "${file}": ${(error as NodeJS.ErrnoException).code ?? "failed"}`, { cause: error, retryable: false });
  }
}

/** Written aside first, so that nobody ever finds half a key. */
async function writeKeys(file: string, keys: readonly string[]): Promise<void> {
  const aside = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(aside, "wx", 0o600);
    try {
      await handle.writeFile(keys.join("\n") + "\n");
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, file);
    await chmod(file, 0o600);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {});
    throw new BusbarError("IO", `Cannot write the audit key "${file}": ${(error as NodeJS.ErrnoException).code ?? "failed"}`, { cause: error, retryable: false });
  }
}
