import { batchLimit } from "./batch.ts";

/** A batch with its length before it (32 bits, little-endian), for a pipe. */
export function frameBatch(batch: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + batch.length);
  new DataView(framed.buffer).setUint32(0, batch.length, true);
  framed.set(batch, 4);
  return framed;
}

/** Cuts what comes out of a pipe into batches, in whatever pieces it comes; each batch has bytes of its own. The function it returns throws a SyntaxError for a batch that is too long. */
export function createUnframer(take: (batch: Uint8Array<ArrayBuffer>) => void): (chunk: Uint8Array) => void {
  const lengths = new Uint8Array(4);
  let known = 0;
  let batch: Uint8Array<ArrayBuffer> | undefined;
  let filled = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (batch === undefined) {
        lengths[known++] = chunk[at++]!;
        if (known < 4) continue;
        const length = new DataView(lengths.buffer).getUint32(0, true);
        if (length > batchLimit) throw new SyntaxError(`Cannot read the batch: it has ${length} bytes, more than ${batchLimit}`);
        batch = new Uint8Array(length);
        known = filled = 0;
      }
      const piece = chunk.subarray(at, at + batch.length - filled);
      batch.set(piece, filled);
      filled += piece.length;
      at += piece.length;
      if (filled < batch.length) continue;
      const whole = batch;
      batch = undefined;
      take(whole);
    }
  };
}
