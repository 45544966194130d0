import { ChainWalk, noKey, type ChainFinding, type ChainHead } from "@busbar/core";
import { readHead } from "./head-file.ts";
import type { KeyRing } from "./key-ring.ts";
import { listLogFiles, readLines } from "./log-files.ts";

/** What a log is checked with. */
export interface VerifyOptions {
  readonly ring: KeyRing;
  /** Absent: only `heads` say where the log has to end. */
  readonly headFile?: string | undefined;
  /** Entries that somebody has noted elsewhere. */
  readonly heads?: readonly ChainHead[];
  /** Milliseconds until a line that is not whole is looked at once more, as a gateway may be writing it. Default 1000. */
  readonly patience?: number;
}

/** How a log stands. */
export interface Verdict {
  /** Empty: it is as it was written. */
  readonly findings: readonly ChainFinding[];
  readonly files: number;
  readonly entries: number;
  /** Number and time (ms since the Unix epoch) of the first and the last entry, and the hash of the last one. */
  readonly first?: { readonly seq: number; readonly time: number };
  readonly last?: { readonly seq: number; readonly time: number; readonly hash: string };
  /** Entries that could not be written when they came, as the log says itself. */
  readonly lost: number;
  readonly keyed: boolean;
  /** What could not be looked at. */
  readonly notes: readonly string[];
}

/** Checks a whole log, which a gateway may be writing to. @throws a system error when it cannot be read. */
export async function verifyLog(folder: string, options: VerifyOptions): Promise<Verdict> {
  for (let attempt = 0; ; attempt++) {
    try {
      const verdict = await walkLog(folder, options);
      // A line that is being written is not whole, either: it is when one looks again.
      if (attempt > 0 || !verdict.findings.some(({ what }) => what === "torn")) return verdict;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt > 5) throw error; // retention has removed a file meanwhile
    }
    await new Promise((resolve) => setTimeout(resolve, options.patience ?? 1000));
  }
}

async function walkLog(folder: string, { ring, headFile, heads = [] }: VerifyOptions): Promise<Verdict> {
  const notes: string[] = [];
  const head = headFile === undefined ? undefined : await readHead(headFile, ring, ring.current === noKey); // before the log, which goes on
  const own: ChainHead[] = typeof head === "object" && head.seq > 0 ? [{ ...head, of: "the head file" }] : [];
  const walk = new ChainWalk({ digests: ring.digests, keyed: ring.current !== noKey, heads: [...heads, ...own] });
  const files = await listLogFiles(folder);
  for (const [at, { path, name, seq }] of files.entries()) {
    walk.file(name, seq);
    for await (const { lines, torn } of readLines(path)) {
      for (const line of lines) walk.line(line);
      if (torn > 0) walk.torn(torn, at === files.length - 1);
    }
  }
  const findings = [...walk.end()];
  if (headFile === undefined && heads.length === 0) notes.push("no head is given: whether the end was cut off cannot be seen");
  if (head === "missing" && (files.length > 0 || heads.length > 0)) findings.push({ file: headFile!, line: 0, what: "truncated", text: "the head file is missing: the end of the log may have been cut off" });
  if (head === "forged") findings.push({ file: headFile!, line: 0, what: "foreign", text: "the head file was not written with the key that is given" });
  for (const { seq, of } of heads) if (walk.first && seq < walk.first.seq) notes.push(`entry ${seq}, which ${of} knows, is older than the log`);
  const { first, last, entries, lost } = walk;
  return {
    findings, files: files.length, entries, lost, keyed: ring.current !== noKey, notes,
    ...(first && { first: { seq: first.seq, time: first.time } }),
    ...(last && { last: { seq: last.seq, time: last.time, hash: last.hash } }),
  };
}
