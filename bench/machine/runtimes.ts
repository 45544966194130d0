import { existsSync } from "node:fs";
import { join } from "node:path";

const modules = join(import.meta.dirname, "..", "..", "node_modules");
const arch = process.arch === "arm64" ? "arm64" : "x64";
const installed = join(modules, `node-linux-${arch}`, "bin", "node");

/** Path of the Node that every Node program of a run uses, the load generator included: the one of the lockfile, whatever started the run. */
export const nodeProgram = existsSync(installed) ? installed : process.versions["deno"] === undefined ? process.execPath : "node";

/** Path of Deno itself. The `deno` of node_modules/.bin is a launcher whose child would go unmeasured. */
export const denoProgram = join(modules, "@deno", `linux-${arch}-glibc`, "deno");
