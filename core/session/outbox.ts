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
  /** The run as it was pushed, as long as it is a single piece: a message for a thousand sockets is one object for all of them. */
  #piece: Uint8Array | undefined;
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
      this.#piece = undefined;
      return;
    }
    if (this.#buffer !== undefined) this.#runs.push(this.#takeRun());
    this.#buffer = bytes.buffer;
    this.#piece = bytes;
    this.#start = bytes.byteOffset;
    this.#end = bytes.byteOffset + bytes.length;
  }

  /** Writes what is queued now. */
  flush(): void {
    if (this.#queued === 0) return;
    this.#queued = 0;
    const last = this.#takeRun();
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) {
      this.#runs = [];
      return;
    }
    const slow = socket.writableLength > slowFrom;
    if (this.#runs.length === 0) {
      socket.write(slow ? unpinned(last) : last);
      return;
    }
    const runs = this.#runs;
    this.#runs = [];
    runs.push(last);
    socket.cork();
    for (const run of runs) socket.write(slow ? unpinned(run) : run);
    socket.uncork();
  }

  #takeRun(): Uint8Array {
    const run = this.#piece ?? Buffer.from(this.#buffer as ArrayBuffer, this.#start, this.#end - this.#start); // a Buffer: the socket would make one of anything else
    this.#buffer = this.#piece = undefined;
    return run;
  }
}

/** What waits behind a peer that reads slowly gets memory of its own: a few bytes must not hold on to a whole slab until it has read them. */
function unpinned(run: Uint8Array): Uint8Array {
  return run.length < run.buffer.byteLength / 2 ? new Uint8Array(run) : run;
}

function flushDirty(): void {
  scheduled = false;
  for (const outbox of dirty.splice(0)) outbox.flush();
}
