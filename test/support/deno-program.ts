import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";

const folder = join(import.meta.dirname, "..", "..", "node_modules", "deno");

/** The path of Deno itself, whichever runtime the test runs on. It is an npm package that unpacks its program when it is first run. */
export function denoProgram(): string {
  if (/^deno/.test(basename(process.execPath))) return process.execPath;
  const program = join(folder, process.platform === "win32" ? "deno.exe" : "deno");
  if (!existsSync(program)) execFileSync(process.execPath, [join(folder, "bin.cjs"), "--version"], { stdio: "ignore" });
  return program;
}
