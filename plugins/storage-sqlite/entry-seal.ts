import { createHash } from "node:crypto";
import { AtRestKeys, cutFields, outermost, restoreFields, SensitiveFields, type CutField, type Encryption, type FieldPlace } from "@busbar/core";
import { clearFlag, entryBody, entryFlags, entryJson, entryReceived, entrySize, entryTopic, entryType, headerSize, sealedFlag } from "./entry-layout.ts";
import { TopicPrefixes } from "./topic-prefixes.ts";

/** What became of an entry that was brought to the present rules and key: `locked` = its key is missing. */
export type Resealed = { readonly state: "same" | "damaged" | "locked" } | { readonly state: "changed"; readonly entry: Buffer; readonly before: unknown; readonly places: readonly FieldPlace[] };

/** The encrypted part of an entry. */
interface SealedPart {
  readonly key: string;
  /** Where the part begins, and the box in it, and the payload behind it. */
  readonly start: number;
  readonly box: number;
  readonly end: number;
}

/**
 * Encrypts the sensitive fields of entries on their way into the file, and decrypts them on their way out. The values of all fields of an entry are one box, AES-256-GCM over `[[place, value], …]` as JSON, which is bound to
 * all other bytes of the entry: a box fits no other message, and no other field. In the payload a mark with the key's id stands for each of them.
 */
export class EntrySeal {
  readonly keys: AtRestKeys | undefined;
  readonly sensitive: SensitiveFields;
  /** Stands for the rules: another text means other rules. Empty where nothing is encrypted. */
  readonly rules: string;
  readonly #topics: TopicPrefixes;

  constructor(encryption: Encryption | undefined) {
    this.keys = encryption && new AtRestKeys(encryption.keys);
    this.sensitive = new SensitiveFields(encryption?.sensitive ?? []);
    this.#topics = new TopicPrefixes((encryption?.sensitive ?? []).flatMap(({ topics }) => topics));
    this.rules = encryption === undefined || encryption.sensitive.length === 0 ? "" : createHash("sha256").update(JSON.stringify(encryption.sensitive)).digest("base64url");
  }

  /** Packed entries with their sensitive fields encrypted: the same bytes where there are none. */
  seal(bytes: Buffer): Buffer {
    if (this.rules === "") return bytes;
    const parts: Buffer[] = [];
    let kept = 0;
    for (let at = 0; at < bytes.length; at += entrySize(bytes, at)) {
      const entry = this.#sealed(bytes, at);
      if (!entry) continue;
      parts.push(bytes.subarray(kept, at), entry);
      kept = at + entrySize(bytes, at);
    }
    if (parts.length === 0) return bytes;
    parts.push(bytes.subarray(kept));
    return Buffer.concat(parts);
  }

  /**
   * An entry as it is for its readers. Without its key its encrypted fields stay the marks that they are, and a command counts as expired: no machine is to be sent a mark.
   * Undefined when it is not as it was written.
   */
  open(entry: Buffer): Buffer | undefined {
    if ((entryFlags(entry, 0) & sealedFlag) === 0) return entry;
    const part = sealedPart(entry);
    if (!part) return undefined;
    if (!this.keys?.has(part.key)) {
      const locked = plainEntry(entry, part, entry.subarray(part.end));
      if (entryType(entry, 0) === "command") locked.writeDoubleLE(entryReceived(entry, 0), 20);
      return locked;
    }
    const payload = this.#unsealed(entry, part)?.payload;
    return payload === undefined ? undefined : plainEntry(entry, part, Buffer.from(JSON.stringify(payload)));
  }

  /** Brings an entry of the file to the present rules and key. What was encrypted once stays so. */
  reseal(entry: Buffer): Resealed {
    if ((entryFlags(entry, 0) & sealedFlag) === 0) {
      const sealed = this.#sealed(entry, 0);
      if (!sealed) return { state: "same" };
      const before = entryJson(entry, 0);
      return { state: "changed", entry: sealed, before, places: this.#places(entry, 0, before) };
    }
    const part = sealedPart(entry);
    if (!part) return { state: "damaged" };
    if (!this.keys?.has(part.key)) return { state: "locked" };
    const opened = this.#unsealed(entry, part);
    if (!opened) return { state: "damaged" };
    const had = opened.cut.map(([place]) => place);
    const places = outermost([...had, ...this.#places(entry, 0, opened.payload)]);
    if (part.key === this.keys.current && places.length === had.length && places.every((place) => had.some((other) => other.join("\u0000") === place.join("\u0000")))) return { state: "same" };
    const before: unknown = structuredClone(opened.payload);
    const plain = plainEntry(entry, part, entry.subarray(entry.length));
    return { state: "changed", entry: this.#seal(plain, 0, { payload: opened.payload, places }), before, places };
  }

  /** The entry at `at` with its sensitive fields encrypted; undefined when it has none. */
  #sealed(bytes: Buffer, at: number): Buffer | undefined {
    if ((entryFlags(bytes, at) & clearFlag) !== 0 || !this.#topics.mayMatch(bytes, at) || !this.sensitive.concerns(entryTopic(bytes, at), entryType(bytes, at))) return undefined;
    const payload = entryJson(bytes, at);
    const places = this.#places(bytes, at, payload);
    return places.length === 0 ? undefined : this.#seal(bytes, at, { payload, places });
  }

  #places(bytes: Buffer, at: number, payload: unknown): FieldPlace[] {
    return this.sensitive.placesIn(entryTopic(bytes, at), entryType(bytes, at), payload);
  }

  #seal(bytes: Buffer, at: number, { payload, places }: { readonly payload: unknown; readonly places: readonly FieldPlace[] }): Buffer {
    const keys = this.keys!;
    const { rest, cut } = cutFields(payload, places, keys.current);
    const head = Buffer.from(bytes.subarray(at, entryBody(bytes, at)));
    head[28]! |= sealedFlag;
    const name = Buffer.from(keys.current, "latin1");
    const key = Buffer.concat([Buffer.of(name.length), name]);
    const text = Buffer.from(JSON.stringify(rest));
    const box = keys.seal(Buffer.from(JSON.stringify(cut)), [head.subarray(4), key, text]);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(box.length);
    const sealed = Buffer.concat([head, key, length, box, text]);
    sealed.writeUInt32LE(sealed.length, 0);
    return sealed;
  }

  #unsealed(entry: Buffer, part: SealedPart): { readonly payload: unknown; readonly cut: readonly CutField[] } | undefined {
    const rest = entry.subarray(part.end);
    const plain = this.keys!.open(part.key, entry.subarray(part.box, part.end), [entry.subarray(4, part.start), entry.subarray(part.start, part.box - 4), rest]);
    if (!plain) return undefined;
    const cut = JSON.parse(plain.toString("utf8")) as CutField[];
    const restored = restoreFields(JSON.parse(rest.toString("utf8")), cut);
    return restored && { payload: restored.payload, cut };
  }
}

/** The id of the key with which fields of the entry at `at` are encrypted; undefined when none are. */
export function sealingKey(bytes: Buffer, at: number): string | undefined {
  return (entryFlags(bytes, at) & sealedFlag) === 0 ? undefined : (sealedPart(bytes.subarray(at, at + entrySize(bytes, at)))?.key ?? "?");
}

/** Undefined when the lengths do not fit: nothing of a file that somebody may have written to is to be trusted. */
function sealedPart(entry: Buffer): SealedPart | undefined {
  if (entry.length < headerSize) return undefined;
  const start = entryBody(entry, 0);
  const box = start + 1 + (entry[start] ?? 0) + 4;
  if (!(box <= entry.length)) return undefined;
  const end = box + entry.readUInt32LE(box - 4);
  return end <= entry.length ? { key: entry.toString("latin1", start + 1, box - 4), start, box, end } : undefined;
}

/** The entry without its encrypted part, and with another payload. */
function plainEntry(entry: Buffer, { start }: SealedPart, payload: Buffer): Buffer {
  const plain = Buffer.concat([entry.subarray(0, start), payload]);
  plain[28]! &= ~sealedFlag;
  plain.writeUInt32LE(plain.length, 0);
  return plain;
}
