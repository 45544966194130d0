import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

/** A file of the log. */
export interface LogFile {
  readonly path: string;
  readonly name: string;
  /** The number of its first entry, as its name says. */
  readonly seq: number;
}

const form = /^audit-(\d{15})\.jsonl$/;

/** The name of the file that begins with that entry. */
export function logFileName(seq: number): string {
  return `audit-${String(seq).padStart(15, "0")}.jsonl`;
}

/** The files of a log, oldest first; none when there is no such folder. */
export async function listLogFiles(folder: string): Promise<readonly LogFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names
    .flatMap((name) => {
      const [, seq] = form.exec(name) ?? [];
      return seq === undefined ? [] : [{ path: join(folder, name), name, seq: Number(seq) }];
    })
    .sort((one, other) => one.seq - other.seq);
}

/** Some lines of a file, without their line feeds. */
export interface LinePage {
  readonly lines: readonly string[];
  /** Bytes behind the last line feed of the file: of a line that is cut off. Only the last page of a file can have any. */
  readonly torn: number;
}

const chunk = 65_536;
/** No line of ours is so long: what is longer is given in pieces, which are none of ours either. */
const longestLine = 1024 * 1024;

/** The lines of a file, each byte as one character; pages of about 64 KiB. */
export async function* readLines(path: string): AsyncGenerator<LinePage> {
  const handle = await open(path, "r");
  try {
    const buffer = Buffer.alloc(chunk);
    let rest = "";
    for (let position = 0; ; ) {
      const { bytesRead } = await handle.read(buffer, 0, chunk, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      const lines = (rest + buffer.toString("latin1", 0, bytesRead)).split("\n");
      rest = lines.pop()!;
      if (rest.length > longestLine) {
        lines.push(rest);
        rest = "";
      }
      yield { lines, torn: 0 };
    }
    if (rest !== "") yield { lines: [], torn: rest.length };
  } finally {
    await handle.close();
  }
}

/** The first line of a file; undefined when it has none. */
export async function firstLine(path: string): Promise<string | undefined> {
  for await (const { lines } of readLines(path)) if (lines.length > 0) return lines[0];
  return undefined;
}
