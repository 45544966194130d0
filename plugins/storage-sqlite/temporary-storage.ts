import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "node:test";
import { openStorage, type Storage, type StorageOptions } from "./storage.ts";

/** Makes a folder that goes when the test ends. */
export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens a storage in a folder of its own; both go when the test ends. */
export async function temporaryStorage(context: TestContext, options: Partial<StorageOptions> = {}): Promise<Storage> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  const storage = await openStorage({ file: join(folder, "busbar.db"), ...options });
  context.after(async () => {
    await storage.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return storage;
}

/** Runs a program of this folder on the runtime that runs the test; `limitKiB` bounds the size of the files it may write. */
export function spawnProgram(name: string, words: readonly string[], options: { readonly limitKiB?: number } = {}): ChildProcess {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const runtime = [process.execPath, ...(process.versions["deno"] === undefined ? [] : ["run", "-A", "--no-check"]), program, ...words];
  // without SIGXFSZ a write beyond the limit fails with EFBIG, which SQLite takes for an I/O error
  const limited = options.limitKiB === undefined ? runtime : ["sh", "-c", `trap '' XFSZ; ulimit -f ${options.limitKiB * 2}; exec "$0" "$@"`, ...runtime];
  return spawn(limited[0]!, limited.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
}
