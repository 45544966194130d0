import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why no file system of a test's own can be mounted here; undefined when one can. */
export function tmpfsMissing(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "busbar-"));
  try {
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "busbar", folder], { stdio: "ignore" }).status !== 0) return "no file system may be mounted here";
    execFileSync("umount", [folder]);
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
