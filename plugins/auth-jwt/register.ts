import { mkdir, open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { BusbarError } from "@busbar/core";

/** Bytes that the file may have at the start. */
const longest = 256 * 1024 * 1024;
/** Lines that are of no use any more are left where they are until there are so many. */
const spare = 1000;

/** One line of the register: a JSON object. */
export type RegisterRecord = Readonly<Record<string, unknown>>;

/** What has to outlive a restart: revocations, enrolments, enrolled devices. A file of JSON lines that only grows; it is written anew at the start when most of it is out of date. */
export interface Register {
  /**
   * Adds a record. Resolves when it is on the disk; then, and only then, it is there after a restart.
   * @throws {BusbarError} UNAVAILABLE without a file, IO when it cannot be written: the record is then not there.
   */
  append(record: RegisterRecord): Promise<void>;
  /** Waits for what is being written and closes the file. */
  close(): Promise<void>;
}

/** What the register is opened with. */
export interface RegisterOptions {
  /** Takes each record of the file, in order. It throws for one that it cannot understand. */
  readonly apply: (record: RegisterRecord) => void;
  /** The records that say what is true now. */
  readonly snapshot: () => readonly RegisterRecord[];
}

/**
 * Reads the register. There is no file before the first record; then it has mode 0600. With `false` there is none.
 * @throws {BusbarError} CONFIG when others have access to it or it is too big, IO when it cannot be read, DAMAGED for a line that is no record: what was revoked must not come back unnoticed.
 */
export async function openRegister(file: string | false, { apply, snapshot }: RegisterOptions): Promise<Register> {
  if (file === false) {
    const refuse = async (): Promise<never> => {
      throw new BusbarError("UNAVAILABLE", "Cannot keep this: the config has registerFile: false", { retryable: false });
    };
    return { append: refuse, close: async () => {} };
  }
  let size = await load(file, { apply, snapshot });
  let handle: FileHandle | undefined;
  let last: Promise<unknown> = Promise.resolve();

  const write = async (record: RegisterRecord): Promise<void> => {
    const line = Buffer.from(JSON.stringify(record) + "\n");
    try {
      handle ??= await openForWriting(file);
      await handle.truncate(size); // half a line may be there, of a write that failed or a process that died
      await handle.write(line, 0, line.length, size);
      await handle.sync();
      size += line.length;
    } catch (error) {
      throw failure("write", { file, error });
    }
  };
  return {
    append(record) {
      const done = last.then(() => write(record));
      last = done.catch(() => {});
      return done;
    },
    async close() {
      await last;
      await handle?.close();
      handle = undefined;
    },
  };
}

async function openForWriting(file: string): Promise<FileHandle> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    return await open(file, "r+");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    return await open(file, "wx+", 0o600);
  }
}

/** Reads and applies all whole lines; gives their length in bytes. */
async function load(file: string, { apply, snapshot }: RegisterOptions): Promise<number> {
  const content = await readAll(file);
  if (content === undefined) return 0;
  const end = content.lastIndexOf(0x0a) + 1; // nobody was told that what follows is kept
  const lines = content.toString("utf8", 0, end).split("\n").slice(0, -1);
  for (const [at, line] of lines.entries()) {
    try {
      apply(JSON.parse(line) as RegisterRecord);
    } catch (cause) {
      throw new BusbarError("DAMAGED", `Cannot read the register "${file}": line ${at + 1} is no record`, { cause });
    }
  }
  const records = snapshot();
  if (lines.length < 2 * records.length + spare) return end;
  return await rewrite(file, records);
}

async function readAll(file: string): Promise<Buffer | undefined> {
  try {
    const handle = await open(file, "r");
    try {
      const { mode, size } = await handle.stat();
      if (process.platform !== "win32" && (mode & 0o077) !== 0) throw new BusbarError("CONFIG", `Cannot use the register "${file}": others have access to it, mode ${(mode & 0o777).toString(8).padStart(4, "0")}; chmod 600 it`);
      if (size > longest) throw new BusbarError("CONFIG", `Cannot use the register "${file}": it has ${size} bytes, ${longest} are allowed`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw failure("read", { file, error });
  }
}

/** Written aside and renamed: at any moment one whole register is there. */
async function rewrite(file: string, records: readonly RegisterRecord[]): Promise<number> {
  const aside = `${file}.new`;
  const content = Buffer.from(records.map((record) => JSON.stringify(record) + "\n").join(""));
  try {
    await rm(aside, { force: true });
    const handle = await open(aside, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, file);
    return content.length;
  } catch (error) {
    throw failure("write", { file, error });
  }
}

function failure(verb: string, { file, error }: { readonly file: string; readonly error: unknown }): BusbarError {
  if (error instanceof BusbarError) return error;
  return new BusbarError("IO", `Cannot ${verb} the register "${file}": ${codeOf(error) ?? "failed"}`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
