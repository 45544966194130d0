import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { noKey, type Digest } from "@busbar/core";
import * as v from "valibot";
import type { KeyRing } from "./key-ring.ts";

/** Where the log ended at some time. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

const form = v.strictObject({ seq: v.pipe(v.number(), v.integer(), v.minValue(0)), hash: v.string(), key: v.string(), mac: v.string() });
const macOf = ({ seq, hash }: Head, digest: Digest): string => digest(`busbar audit head\n${seq}\n${hash}`);

/** Writes the head, as a whole or not at all; on the disk when it resolves. */
export async function writeHead(file: string, head: Head, { key, digest }: { readonly key: string; readonly digest: Digest }): Promise<void> {
  const aside = `${file}.new`;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const handle = await open(aside, "w", 0o600);
  try {
    await handle.writeFile(JSON.stringify({ seq: head.seq, hash: head.hash, key, mac: macOf(head, digest) }) + "\n");
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
}

/**
 * Reads the head. `missing`: there is no such file; `forged`: it is none, or was not made with one of the keys. One without a key, which anybody can make, counts only where `plain` says that the log has had none so far.
 */
export async function readHead(file: string, { digests }: KeyRing, plain: boolean): Promise<Head | "missing" | "forged"> {
  try {
    const parsed = v.safeParse(form, JSON.parse(await readFile(file, "utf8")));
    if (!parsed.success) return "forged";
    const { seq, hash, key, mac } = parsed.output;
    const digest = key === noKey && !plain ? undefined : digests.get(key);
    return digest !== undefined && macOf({ seq, hash }, digest) === mac ? { seq, hash } : "forged";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "missing";
    if (error instanceof SyntaxError) return "forged";
    throw error;
  }
}
