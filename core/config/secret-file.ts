import { randomBytes } from "node:crypto";
import { constants, copyFile, link, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { BusbarError } from "../errors.ts";

/** A secret is at most this long, so that a wrong path does not load a disk image. */
const longest = 65_536;

/**
 * Reads a secret from a file to which only its owner has access (on Windows this is not checked). A line end at the end does not count.
 * @throws {BusbarError} CONFIG when others have access or it is too long, IO when it cannot be read; `cause` has the code, such as ENOENT.
 */
export async function readSecretFile(file: string): Promise<Uint8Array> {
  const content = await readLimited(file, (mode) => {
    // On Windows the mode says nothing about who may read.
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new BusbarError("CONFIG", `Cannot use the secret in "${file}": others have access to it, mode ${(mode & 0o777).toString(8).padStart(4, "0")}; chmod 600 it`);
    }
  });
  let end = content.length;
  if (content[end - 1] === 0x0a) end--;
  if (content[end - 1] === 0x0d) end--;
  return content.subarray(0, end);
}

/**
 * Reads a text that is no secret, such as a public key.
 * @throws {BusbarError} IO when it cannot be read, CONFIG when it is longer than 64 KiB.
 */
export async function readKeyText(file: string): Promise<string> {
  return (await readLimited(file, () => {})).toString("utf8");
}

/**
 * Reads the secret in `file`, and makes one first when the file does not exist: 32 random bytes written as 43 characters of base64url, mode 0600; the parent
 * folder is created, mode 0700. Of several processes that do so at once, all get the same secret.
 * @throws {BusbarError} as `readSecretFile`, or IO when it cannot be written.
 */
export async function openSecretFile(file: string): Promise<{ readonly secret: Uint8Array; readonly created: boolean }> {
  try {
    return { secret: await readSecretFile(file), created: false };
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const created = await writeNew(file, randomBytes(32).toString("base64url") + "\n");
  return { secret: await readSecretFile(file), created };
}

/** Writes a file that must not exist yet. Written aside first, so that nobody ever reads half a secret. Gives false when another was faster. */
async function writeNew(file: string, text: string): Promise<boolean> {
  const aside = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(aside, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    try {
      await link(aside, file).catch((error: unknown) => {
        if (codeOf(error) === "EEXIST") throw error;
        return copyFile(aside, file, constants.COPYFILE_EXCL); // a file system without hard links
      });
      return true;
    } catch (error) {
      if (codeOf(error) === "EEXIST") return false;
      throw error;
    }
  } catch (error) {
    throw new BusbarError("IO", `Cannot make the secret "${file}": ${codeOf(error) ?? "failed"}`, { cause: error, retryable: false });
  } finally {
    await rm(aside, { force: true }).catch(() => {}); // the folder may be missing or read-only: then there is nothing to remove
  }
}

async function readLimited(file: string, checkMode: (mode: number) => void): Promise<Buffer> {
  try {
    const handle = await open(file, "r");
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new BusbarError("CONFIG", `Cannot use "${file}" as a key: it is no file`);
      const { mode, size } = stat;
      checkMode(mode);
      if (size > longest) throw new BusbarError("CONFIG", `Cannot use "${file}" as a key: it has ${size} bytes, ${longest} are allowed`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof BusbarError) throw error;
    throw new BusbarError("IO", `Cannot read the key "${file}": ${codeOf(error) ?? "failed"}`, { cause: error, retryable: false });
  }
}

function codeOf(error: unknown): string | undefined {
  const at = error instanceof BusbarError ? error.cause : error;
  return at instanceof Error && "code" in at ? String(at.code) : undefined;
}
