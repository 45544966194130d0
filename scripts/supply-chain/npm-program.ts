import process from "node:process";

/** The npm of the PATH. */
export const npmProgram = process.platform === "win32" ? "npm.cmd" : "npm";
