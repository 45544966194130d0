import type { Writable } from "node:stream";

/** A socket with more bytes than this still to write belongs to a peer that reads slowly. */
const slowFrom = 16 * 1024;

const dirty: Outbox[] = [];
let scheduled = false;

/**
 * What is to be written to one socket, gathered over a turn of the event loop and then written with one system call: what a message costs
 * is the call, not the bytes. Pieces that lie side by side in one buffer, as a `Slab` makes them, are written as one without being copied.
 */
export class Outbox {
  readonly #socket: Writable;
  #runs: Uint8Array[] = [];
  #buffer: ArrayBufferLike | undefined;
  #start = 0;
  #end = 0;
  #queued = 0;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /** Bytes that are queued here or in the socket. */
  get buffered(): number {
    return this.#queued + this.#socket.writableLength;
  }

  /** Queues bytes, which must not change any more. */
  push(bytes: Uint8Array): void {
    if (this.#queued === 0) {
      dirty.push(this);
      if (!scheduled) {
        scheduled = true;
        setImmediate(flushDirty);
      }
    }
    this.#queued += bytes.length;
    if (bytes.buffer === this.#buffer && bytes.byteOffset === this.#end) {
      this.#end += bytes.length;
      return;
    }
    this.#endRun();
    this.#buffer = bytes.buffer;
    this.#start = bytes.byteOffset;
    this.#end = bytes.byteOffset + bytes.length;
  }

  /** Writes what is queued now. */
  flush(): void {
    if (this.#queued === 0) return;
    this.#queued = 0;
    this.#endRun();
    const runs = this.#runs;
    this.#runs = [];
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    if (this.#socket.writableLength > slowFrom) unpin(runs);
    if (runs.length === 1) {
      this.#socket.write(runs[0]);
      return;
    }
    this.#socket.cork();
    for (const run of runs) this.#socket.write(run);
    this.#socket.uncork();
  }

  #endRun(): void {
    if (this.#buffer === undefined) return;
    this.#runs.push(new Uint8Array(this.#buffer, this.#start, this.#end - this.#start));
    this.#buffer = undefined;
  }
}

/** What waits behind a peer that reads slowly gets memory of its own: a few bytes must not hold on to a whole slab until it has read them. */
function unpin(runs: Uint8Array[]): void {
  for (let at = 0; at < runs.length; at++) {
    const run = runs[at]!;
    if (run.length < run.buffer.byteLength / 2) runs[at] = run.slice();
  }
}

function flushDirty(): void {
  scheduled = false;
  for (const outbox of dirty.splice(0)) outbox.flush();
}
