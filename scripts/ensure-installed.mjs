// Installs the locked packages when they are missing or older than the lockfile. Runs before every npm script, on any Node
// from 18 on and on Deno, so it is plain JavaScript without dependencies.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const installed = join(root, "node_modules", ".package-lock.json"); // npm writes it last, so it stands for a whole install
const locked = join(root, "package-lock.json");

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(locked).mtimeMs) {
  console.error("busbar: installing packages (once, about half a minute) …");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const result = spawnSync(npm, ["ci", "--ignore-scripts"], { cwd: root, stdio: ["ignore", "inherit", "inherit"], shell: process.platform === "win32" });
  if (result.error) {
    console.error(`busbar: cannot run npm: ${result.error.message}`);
    process.exit(69);
  }
  if (result.status !== 0) process.exit(result.status ?? 70);
}
