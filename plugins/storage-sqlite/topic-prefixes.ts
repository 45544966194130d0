import { hiddenTypes } from "@busbar/core";
import { headerSize } from "./entry-layout.ts";

/** The part of a topic filter before its first wildcard. */
interface Prefix {
  readonly type: Buffer;
  /** Of what follows the type; ends where a level may end that is not there in the topic. */
  readonly rest: Buffer;
}

/** Types of messages that carry another one, or values of others, on whose topic nothing here tells anything. */
const carriers = ["dead-letter", ...hiddenTypes].map((type) => Buffer.from(type));
/** With more filters than this the look at each costs more than it saves. */
const mostPrefixes = 16;

/** Tells without making a string that an entry's topic matches none of some filters: a batch is full of such. */
export class TopicPrefixes {
  /** Undefined where nothing can be told. */
  readonly #prefixes: readonly Prefix[] | undefined;

  constructor(filters: readonly string[]) {
    const prefixes = filters.map(prefixOf);
    this.#prefixes = filters.length > mostPrefixes || prefixes.includes(undefined) ? undefined : (prefixes as Prefix[]);
  }

  /** False when the topic of the entry at `at` matches no filter, and it carries no other message; true tells nothing. */
  mayMatch(bytes: Buffer, at: number): boolean {
    if (this.#prefixes === undefined) return true;
    const length = bytes[at + 29]!;
    const start = at + headerSize;
    for (const type of carriers) if (type.length === length && beginsWith(bytes, start, type)) return true;
    const from = start + length + bytes[at + 30]!;
    const to = from + bytes.readUInt16LE(at + 31);
    const toEnd = to + bytes.readUInt16LE(at + 33);
    for (const { type, rest } of this.#prefixes) {
      if (type.length !== length || !beginsWith(bytes, start, type)) continue;
      if ((to - from >= rest.length && beginsWith(bytes, from, rest)) || (toEnd - to >= rest.length && beginsWith(bytes, to, rest))) return true; // the topic names one of the two
    }
    return false;
  }
}

/** Undefined for a filter that may match any type. `a/b/#` matches `a/b`, too, so its prefix is `b`. */
function prefixOf(filter: string): Prefix | undefined {
  const [type = "", ...levels] = filter.split("/");
  if (type === "+" || type === "#") return undefined;
  const wild = levels.findIndex((level) => level === "+" || level === "#");
  return { type: Buffer.from(type, "latin1"), rest: Buffer.from((wild < 0 ? levels : levels.slice(0, wild)).join("/"), "latin1") };
}

function beginsWith(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text[index]) return false;
  return true;
}
