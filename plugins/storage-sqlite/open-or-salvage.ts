import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { openLocked } from "./database-file.ts";
import type { Finding } from "./finding.ts";
import { finishReplacement } from "./set-aside.ts";
import { StorageFault } from "./storage-fault.ts";

/**
 * Opens a database file with `open`; one that is damaged, or was found to be while it was in use (`requestSalvage`), is replaced first by what `salvage` makes of it.
 * @throws {StorageFault} what `open` and `salvage` throw, but for DAMAGED of `open`.
 */
export async function openOrSalvage<T extends { close(): void }>(path: string, steps: { readonly open: () => Promise<T>; readonly salvage: () => Promise<Finding> }): Promise<{ readonly opened: T; readonly findings: readonly Finding[] }> {
  finishReplacement(path);
  try {
    const opened = await steps.open();
    if (!existsSync(marker(path))) return { opened, findings: [] };
    opened.close();
  } catch (error) {
    if (!isDamaged(error)) throw error;
    checkUnused(path);
  }
  const finding = await steps.salvage();
  rmSync(marker(path), { force: true });
  return { opened: await steps.open(), findings: [finding] };
}

/** Whether an error says that a database as a whole is damaged, and not just that some entries are. */
export function isDamaged(error: unknown): boolean {
  return error instanceof StorageFault && error.code === "DAMAGED" && error.resumeAfter === undefined;
}

/** Has the file at `path` salvaged when it is opened next, however sound it looks then. */
export function requestSalvage(path: string): void {
  writeFileSync(marker(path), "", { mode: 0o600 });
}

const marker = (path: string): string => path + "-damaged";

/** While another process writes, its file may look damaged. */
function checkUnused(path: string): void {
  if (statSync(path).size === 0) return; // SQLite would remove its log
  try {
    openLocked(path).close();
  } catch (error) {
    if (!isDamaged(error)) throw error;
  }
}
