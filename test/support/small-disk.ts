import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

const mount = (folder: string, mebibytes: number): void => void execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=0700`, "busbar-test", folder], { stdio: "ignore" });
const unmount = (folder: string): void => void execFileSync("umount", [folder], { stdio: "ignore" });

/** Why tests that need a file system of a few MiB are skipped here, or false. */
export const withoutSmallDisk = ((): false | string => {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  try {
    mount(folder, 1);
    unmount(folder);
    return false;
  } catch {
    return "a small tmpfs cannot be mounted here (Linux, as root)";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
})();

/** A file system of its own of a few MiB, most of which something else takes up. */
export interface SmallDisk {
  readonly folder: string;
  /** What took up the space is gone. */
  free(): void;
}

/** Mounts it; it goes when the test ends. `taken`: MiB that something else takes up. */
export function smallDisk(context: TestContext, { mebibytes, taken }: { readonly mebibytes: number; readonly taken: number }): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  mount(folder, mebibytes);
  context.after(() => {
    unmount(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  const filler = join(folder, "filler");
  writeFileSync(filler, new Uint8Array(taken * 1024 ** 2));
  return { folder, free: () => rmSync(filler) };
}
