import type { AuditEntry, AuditFields, AuditRecord } from "../audit.ts";

/** SHA-256, or HMAC-SHA-256 with a key, of an ASCII text, as 43 characters of base64url. */
export type Digest = (text: string) => string;

/** What the first entry of all says is the hash before it. */
export const noHash = "A".repeat(43);

/** Where an entry stands. */
export interface ChainPlace {
  readonly seq: number;
  /** The hash of the entry before. */
  readonly prev: string;
}

/** A line as it was read, before anybody believes it. */
export interface ChainLine extends ChainPlace {
  /** What the hash is taken of: the line up to it. */
  readonly body: string;
  readonly hash: string;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
}

/**
 * The line of an entry, with the line feed at its end, and its hash. Only printable ASCII, one line whatever the fields say, each key once, fields in order of their names. The hash is taken of the very bytes of the line before it, so that not one of them can be
 * another without being noticed.
 */
export function formatChainLine({ time, action, source, fields }: AuditEntry, { seq, prev }: ChainPlace, digest: Digest): { readonly line: string; readonly hash: string } {
  const own = ascii(JSON.stringify(sorted(fields))).slice(1, -1);
  const body = `{"seq":${seq},"time":${Math.trunc(time)},"action":${ascii(JSON.stringify(action))},"source":${ascii(JSON.stringify(source))},${own === "" ? "" : own + ","}"prev":"${prev}"`;
  const hash = digest(body);
  return { line: `${body},"hash":"${hash}"}\n`, hash };
}

const form = /^(\{"seq":([1-9]\d{0,14}),"time":(\d{1,15}),"action":"[^]*,"prev":"([\w-]{43})"),"hash":"([\w-]{43})"\}$/;

/** Takes a line apart, without its line feed; undefined when it is none of an audit log. Whether it is true is another question. */
export function parseChainLine(line: string): ChainLine | undefined {
  const [, body, seq, time, prev, hash] = form.exec(line) ?? [];
  if (body === undefined) return undefined;
  return { body, seq: Number(seq), time: Number(time), prev: prev!, hash: hash! };
}

/** The entry that a line says; undefined when it says none. */
export function parseChainRecord(line: string): AuditRecord | undefined {
  const place = parseChainLine(line);
  if (place === undefined) return undefined;
  try {
    const { seq, time, action, source, prev, hash, ...fields } = JSON.parse(line) as Omit<AuditRecord, "fields"> & AuditFields;
    return typeof action === "string" && typeof source === "string" ? { seq, time, action, source, fields, prev, hash } : undefined;
  } catch {
    return undefined;
  }
}

/** Nothing in it can end a line, steer a terminal, turn the direction of reading, or be half a character. */
function ascii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, member]) => [key, sorted(member)]));
}
