const prefix = Buffer.from("bench-");
const publisherDigits = 5;
const sequenceDigits = 9;

/** Bytes from the start of a marker to its sequence number. */
export const markerSequenceOffset = prefix.length + publisherDigits + 1;

/** The `msgid` of a message: `bench-`, five digits of publisher, `-`, nine digits of sequence. 21 bytes of ASCII. */
export function formatMarker(publisher: number, sequence: number): string {
  return `bench-${String(publisher).padStart(publisherDigits, "0")}-${String(sequence).padStart(sequenceDigits, "0")}`;
}

/**
 * Finds the marker in delivered messages. Deliveries of one kind have it in the same place, so the place of the last one is
 * tried before searching. After `read` returned true, `publisher` and `sequence` hold what it found.
 */
export class MarkerReader {
  publisher = 0;
  sequence = 0;
  #offset = 0;

  read(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start + this.#offset;
    if (!startsWithPrefix(bytes, at, end)) {
      at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(prefix, start);
      if (at === -1 || !startsWithPrefix(bytes, at, end)) return false;
      this.#offset = at - start;
    }
    this.publisher = digits(bytes, at + prefix.length, publisherDigits);
    this.sequence = digits(bytes, at + markerSequenceOffset, sequenceDigits);
    return true;
  }
}

function startsWithPrefix(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + markerSequenceOffset + sequenceDigits > end) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) value = value * 10 + (bytes[i] ?? 0) - 48;
  return value;
}
