const slots = 2048;

/** Strings longer than this, in bytes of UTF-8, are not remembered. */
export const longestInterned = 32;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Short strings that keep coming back (device ids, sensor ids, units), found by their bytes: no decoding, no allocation, and equal strings are the same object.
 * A table of fixed size in which a newcomer takes the place of whoever had its slot, so hostile input costs some hits, never memory: at most 2,048 strings
 * of 32 bytes.
 */
export class InternedStrings {
  readonly #texts: string[] = new Array<string>(slots).fill("");
  readonly #bytes: Uint8Array[] = new Array<Uint8Array>(slots).fill(new Uint8Array(0));

  /** The string at `bytes[at..at + length)`, `length` up to `longestInterned`. @throws {TypeError} when it is not UTF-8. */
  read(bytes: Uint8Array, at: number, length: number): string {
    if (length === 0) return "";
    const end = at + length;
    let hash = length;
    for (let i = at; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193); // FNV-1a
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const known = this.#bytes[slot]!;
    if (known.length === length) {
      let i = 0;
      while (i < length && known[i] === bytes[at + i]) i++;
      if (i === length) return this.#texts[slot]!;
    }
    const copy = bytes.slice(at, end);
    const text = utf8.decode(copy);
    this.#bytes[slot] = copy;
    return (this.#texts[slot] = text);
  }
}
