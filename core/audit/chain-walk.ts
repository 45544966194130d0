import type { AuditRecord } from "../audit.ts";
import { noHash, parseChainLine, parseChainRecord, type ChainLine, type Digest } from "./chain-line.ts";

/** What is wrong with a log. */
export interface ChainFinding {
  readonly file: string;
  /** 1 is the first; 0: the file as a whole. */
  readonly line: number;
  readonly what: "edited" | "missing" | "reordered" | "truncated" | "torn" | "foreign";
  /** What exactly, in plain English. */
  readonly text: string;
}

/** An entry as somebody noted it elsewhere, so that the log cannot end before it, or be another one. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
  /** Who noted it: for the finding. */
  readonly of: string;
}

/** What a log is checked against. */
export interface ChainWalkOptions {
  /** By the name of the key; `none` is plain SHA-256. */
  readonly digests: ReadonlyMap<string, Digest>;
  /** The log has to end with a key: a plain end is a forgery. */
  readonly keyed: boolean;
  readonly heads: readonly ChainHead[];
}

/** Findings that are kept: the first one counts. */
const mostFindings = 100;

/** The name of no key. */
export const noKey = "none";

/**
 * Walks along a log, line by line from its oldest file on, and finds whatever is not as it was written: `line` for each line, `end` at last. After a finding it goes on from the line that it was found at. Pure: it reads nothing itself.
 */
export class ChainWalk {
  readonly findings: ChainFinding[] = [];
  /** Whether each line so far is as it was written, which it may be and say of others that they were not. */
  sound = true;
  /** Entries that were walked along, the first and the last of them. */
  entries = 0;
  first: ChainLine | undefined;
  last: ChainLine | undefined;
  /** The key at the end. */
  key = "";
  /** Entries that could not be written when they came: the log says so. */
  lost = 0;
  readonly #options: ChainWalkOptions;
  readonly #heads: Map<number, ChainHead[]>;
  #file = "";
  #line = 0;
  /** What the name of the file says its first entry is. */
  #expected = 0;
  #firstFile = "";
  #removed = false;

  constructor(options: ChainWalkOptions) {
    this.#options = options;
    this.#heads = Map.groupBy(options.heads, ({ seq }) => seq);
  }

  /** The next file begins. `name` is for findings, `seq` what its name says its first entry is. */
  file(name: string, seq: number): void {
    this.#file = name;
    this.#line = 0;
    this.#expected = seq;
  }

  /** The next line, without its line feed. */
  line(text: string): void {
    this.#line++;
    const line = parseChainLine(text);
    if (line === undefined) return this.#find("edited", "it is no entry of an audit log");
    const begins = this.#line === 1;
    if (begins && line.seq !== this.#expected) this.#find("edited", `the file is called after entry ${this.#expected} and begins with entry ${line.seq}`);
    const record = begins || /"action":"(?:audit-|lost")/.test(line.body.slice(0, 80)) ? parseChainRecord(text) : undefined;
    if (begins) this.#begin(record);
    const sound = this.#check(line);
    this.entries++;
    this.first ??= line;
    this.last = line;
    for (const head of this.#heads.get(line.seq) ?? []) {
      if (head.hash !== line.hash) this.#find("foreign", `entry ${line.seq} is not the one that ${head.of} knows: this is another log, or it was written anew`);
    }
    if (record && sound) this.#note(record);
  }

  /** Bytes at the end of a file that are no whole line; `last`: of the last file, as a crash leaves it. */
  torn(bytes: number, last: boolean): void {
    this.#line++;
    this.#find(last ? "torn" : "edited", `the last line is cut off after ${bytes} bytes`);
  }

  /** There are no more lines. */
  end(): readonly ChainFinding[] {
    const { first, last } = this;
    if (first && first.seq > 1 && !this.#removed) this.findings.unshift({ file: this.#firstFile, line: 1, what: "missing", text: `entries 1 to ${first.seq - 1} are missing, and no entry says that retention removed them` });
    if (last && this.#options.keyed && this.key === noKey) this.#find("foreign", "the log ends without a key, though one is given");
    for (const { seq, of } of this.#options.heads) {
      if (seq > (last?.seq ?? 0)) this.#find("truncated", `the log ends with entry ${last?.seq ?? 0}, but ${of} knows entry ${seq}`);
    }
    return this.findings;
  }

  /** The first line of a file names the key. */
  #begin(record: AuditRecord | undefined): void {
    const key = record?.action === "audit-file" ? record.fields["key"] : undefined;
    if (typeof key !== "string") return this.#find("edited", "a file has to begin with an entry audit-file");
    if (this.last === undefined) {
      this.key = key;
      this.#firstFile = this.#file;
    } else if (key !== this.key) {
      this.#find("foreign", `the key changes from ${this.key} to ${key}, which nobody who has the former one has said`);
      this.key = key;
    }
  }

  /** Returns whether the entry is as it was written, by somebody with the key. */
  #check({ seq, prev, hash, body }: ChainLine): boolean {
    const digest = this.#options.digests.get(this.key);
    if (digest === undefined) this.#find("foreign", `entry ${seq} is made with the key ${this.key}, which is not given`);
    else if (digest(body) !== hash) this.#find("edited", `entry ${seq} is not as it was written, or was written by somebody without the key`);
    else {
      this.#follow(seq, prev);
      return true;
    }
    return false;
  }

  #follow(seq: number, prev: string): void {
    const { last } = this;
    if (last === undefined) {
      if (seq === 1 && prev !== noHash) this.#find("foreign", "the first entry does not begin a log");
    } else if (seq > last.seq + 1) this.#find("missing", seq === last.seq + 2 ? `entry ${seq - 1} is missing` : `entries ${last.seq + 1} to ${seq - 1} are missing`);
    else if (seq <= last.seq) this.#find("reordered", `entry ${seq} stands after entry ${last.seq}: doubled, or out of order`);
    else if (prev !== last.hash) this.#find("foreign", `entry ${seq} does not follow on the entry ${last.seq} before it`);
  }

  /** What the log says about itself. */
  #note({ seq, action, fields }: AuditRecord): void {
    const { first } = this;
    if (action === "lost") this.lost += Number(fields["count"]);
    if (action === "audit-key" && typeof fields["key"] === "string") this.key = fields["key"];
    if (action === "audit-removed" && first) this.#removed ||= covers(fields, first);
    if (action === "audit-damaged" && fields["what"] !== "torn") this.#add(fields["what"] === "truncated" ? "truncated" : "foreign", `entry ${seq} says that the log was not as the gateway had left it: ${String(fields["text"])}`);
  }

  #find(what: ChainFinding["what"], text: string): void {
    this.sound = false;
    this.#add(what, text);
  }

  #add(what: ChainFinding["what"], text: string): void {
    if (this.findings.length < mostFindings) this.findings.push({ file: this.#file, line: this.#line, what, text });
  }
}

/** Whether retention was to remove all that was before the first entry. It may have been killed before it had removed all of its files. */
function covers({ last, lastHash }: AuditRecord["fields"], first: ChainLine): boolean {
  return Number(last) > first.seq - 1 || (last === first.seq - 1 && lastHash === first.prev);
}
