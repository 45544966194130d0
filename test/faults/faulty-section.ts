import { fileURLToPath } from "node:url";

/** The section of a config that puts the storage that breaks in the place of the real one; `fault` as in fault-storage.ts, `more` is config of the storage. */
export function faultySection(fault: { readonly step: string; readonly at: number; readonly delay?: number }, more: object = {}): object {
  return { use: fileURLToPath(new URL("./fault-storage.ts", import.meta.url)), file: "data/busbar.db", ...more, fault };
}
