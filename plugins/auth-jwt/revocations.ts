import { open } from "node:fs/promises";
import { BusbarError, type Clock, type Log, type Principal } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";

const longestFile = 16 * 1024 * 1024;
const mostEntries = 100_000;
/** Some file systems keep times to two seconds only. */
const coarsestTime = 2000;

/** What no longer counts. */
export interface Revocations {
  /** Whether the principal's credential is revoked, or its id, or an id above it. */
  has(principal: Principal): boolean;
  /** Stops looking at the file. */
  close(): void;
}

/**
 * Reads the revocations of the config and of its file, and looks at the file again and again; `changed` is called whenever its content has changed. A file that
 * cannot be read any more, or is too big, leaves what was known in force and is logged.
 * @throws {BusbarError} IO when the file cannot be read at the start, CONFIG when it is too big.
 */
export async function openRevocations(config: AuthJwtConfig, options: { readonly clock: Clock; readonly log: Log; readonly path: (file: string) => string; readonly changed: () => void }): Promise<Revocations> {
  const { clock, log } = options;
  const fixed = new Set(config.revoked);
  let listed: ReadonlySet<string> = new Set();
  const has = (text: string): boolean => fixed.has(text) || listed.has(text);
  let stop = (): void => {};

  if (config.revocationsFile !== undefined) {
    const file = options.path(config.revocationsFile);
    let seen = "";
    let busy = false;
    let open = true;
    /** Whether the content is another than before. */
    const read = async (): Promise<boolean> => {
      const found = await readIfChanged(file, seen, clock.now());
      if (found === undefined) return false;
      const before = listed;
      listed = parse(found.text, file);
      seen = found.stamp;
      return before.size !== listed.size || !listed.isSubsetOf(before);
    };
    await read();
    const end = clock.every(config.revocationsInterval, () => {
      if (busy) return;
      busy = true;
      read()
        .then((different) => {
          if (different && open) options.changed();
        })
        .catch((error: unknown) => {
          if (open) log.error("Revocations stay as they were", { error });
        })
        .finally(() => {
          busy = false;
        });
    });
    stop = () => {
      open = false;
      end();
    };
  }

  return {
    close: () => stop(),
    has({ id, credential }) {
      if (fixed.size === 0 && listed.size === 0) return false;
      if (credential !== undefined && has(credential)) return true;
      for (let end = id.length; end > 0; end = id.lastIndexOf("/", end - 1)) if (has(id.slice(0, end))) return true;
      return false;
    },
  };
}

/** The file's content, or undefined when it is the one that `seen` stands for. */
async function readIfChanged(file: string, seen: string, now: number): Promise<{ readonly text: string; readonly stamp: string } | undefined> {
  try {
    const handle = await open(file, "r");
    try {
      const { mtimeMs, size, ino } = await handle.stat();
      const stamp = `${mtimeMs} ${size} ${ino}`;
      if (stamp === seen) return undefined;
      if (size > longestFile) throw new BusbarError("CONFIG", `Cannot read the revocations "${file}": it has ${size} bytes, ${longestFile} are allowed`);
      // What is read so soon after it was written may change once more without a new time: it is read again the next time.
      return { text: await handle.readFile("utf8"), stamp: Math.abs(now - mtimeMs) > coarsestTime ? stamp : "" };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof BusbarError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "failed";
    throw new BusbarError("IO", `Cannot read the revocations "${file}": ${code}${code === "ENOENT" ? "; make an empty file when nothing is revoked" : ""}`, { cause: error, retryable: false });
  }
}

function parse(text: string, file: string): ReadonlySet<string> {
  const entries = new Set<string>();
  for (const line of text.split("\n")) {
    const entry = line.trim();
    if (entry !== "" && !entry.startsWith("#")) entries.add(entry);
    if (entries.size > mostEntries) throw new BusbarError("CONFIG", `Cannot read the revocations "${file}": it has more than ${mostEntries} entries`);
  }
  return entries;
}
