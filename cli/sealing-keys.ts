import { readFile } from "node:fs/promises";
import type { SealingKey } from "@busbar/client";
import { Failure, usageFailure } from "./failure.ts";

/** A key from a file with one JWK. `what`: whose option names it. @throws {Failure} 74 when it cannot be read, 65 when it is no JWK. */
export async function readSealingKey(file: string, what: string): Promise<SealingKey> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Failure(74, [`busbar: ${what}: cannot read "${file}": ${error.code ?? error.message}`]);
  });
  try {
    const key = JSON.parse(text) as SealingKey | null;
    if (typeof key === "object" && typeof key?.kty === "string") return key;
  } catch {
    // said below
  }
  throw new Failure(65, [`busbar: ${what}: "${file}" holds no key (a JWK, as busbar keys new makes it)`]);
}

/** A key to sign messages with, from a file; a line end at its end does not count. @throws {Failure} 74 when it cannot be read, 64 when it is too short. */
export async function readMessageKey(file: string, what: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(74, [`busbar: ${what}: cannot read "${file}": ${error.code ?? error.message}`]);
  });
  let end = bytes.length;
  if (bytes[end - 1] === 0x0a) end--;
  if (bytes[end - 1] === 0x0d) end--;
  if (end < 32) throw usageFailure(`${what}: the key in "${file}" has ${end} bytes, at least 32 are needed`);
  return bytes.subarray(0, end);
}
