import { readFile } from "node:fs/promises";
import { BusbarError } from "../errors.ts";

/** Reads a file that a config names; `what` says what it should be. @throws {BusbarError} CONFIG when it cannot be read. */
export async function readConfigFile(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new BusbarError("CONFIG", `Cannot read the ${what} "${path}": ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : "it is not readable"}`, { cause: error });
  }
}
