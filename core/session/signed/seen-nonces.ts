import { BusbarError } from "../../errors.ts";

/** Milliseconds of signing time whose nonces are forgotten together. */
const bucketSpan = 60_000;

/** A nonce that was used. */
export interface Nonce {
  readonly from: string;
  readonly nonce: string;
  /** Whose key has signed: its nonces are limited together. */
  readonly signer: string;
  /** Milliseconds since the Unix epoch: when the message was signed. */
  readonly time: number;
}

/** What a nonce was used for. */
export interface Seen {
  /** Of a message of qos 1 or 2, which its sender may repeat as long as no acknowledgement has come. */
  readonly msgid: string | undefined;
  /** Where that stands in the journal, once it does. */
  offset: number | undefined;
}

interface Bucket {
  readonly seen: Map<string, Seen>;
  readonly counts: Map<string, number>;
  /** The oldest offset of a note that is about one of these; Infinity = none yet. */
  oldest: number;
}

/** How many nonces are remembered. */
export interface SeenNoncesOptions {
  /** Of one signer. */
  readonly perSigner: number;
  readonly limit: number;
}

/**
 * The nonces of the messages whose signing time lies within the window: in whatever order they come, each is new once. What is full refuses instead of forgetting. Kept by minutes of signing
 * time, so that forgetting costs nothing per nonce.
 */
export class SeenNonces {
  readonly #options: SeenNoncesOptions;
  readonly #buckets = new Map<number, Bucket>();
  #size = 0;
  #forgotten = 0;

  constructor(options: SeenNoncesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** Milliseconds since the Unix epoch: of what was signed before, the nonces are not known any more. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** The oldest note that is still needed; Infinity = none. */
  get oldestNote(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const bucket of this.#buckets.values()) oldest = Math.min(oldest, bucket.oldest);
    return oldest;
  }

  /** What that sender has used the nonce for, whenever it was signed. */
  find({ from, nonce }: Pick<Nonce, "from" | "nonce">): Seen | undefined {
    const key = keyOf(from, nonce);
    for (const { seen } of this.#buckets.values()) {
      const found = seen.get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Remembers a nonce that is new. @throws {BusbarError} OVERLOAD when there are too many already. */
  add(one: Nonce, seen: Seen): void {
    const { perSigner, limit } = this.#options;
    if (this.#size >= limit) throw new BusbarError("OVERLOAD", `Cannot take another signed message: ${limit} nonces are remembered, which is the limit`);
    if (this.#countOf(one.signer) >= perSigner) throw new BusbarError("OVERLOAD", `Cannot take another signed message of ${JSON.stringify(one.signer)}: ${perSigner} of its nonces are remembered, which is the limit`);
    this.restore(one, { seen, note: Number.POSITIVE_INFINITY });
  }

  /** The same for one that a note of the journal tells of, at the offset `note`: whatever the limits say now, it was let in. */
  restore(one: Nonce, { seen, note }: { readonly seen: Seen; readonly note: number }): void {
    const { from, nonce, signer, time } = one;
    if (time < this.#forgotten) return;
    const at = Math.floor(time / bucketSpan);
    let bucket = this.#buckets.get(at);
    if (bucket === undefined) this.#buckets.set(at, (bucket = { seen: new Map(), counts: new Map(), oldest: Number.POSITIVE_INFINITY }));
    bucket.oldest = Math.min(bucket.oldest, note);
    const key = keyOf(from, nonce);
    if (!bucket.seen.has(key)) {
      this.#size++;
      bucket.counts.set(signer, (bucket.counts.get(signer) ?? 0) + 1);
    }
    bucket.seen.set(key, seen);
  }

  /** Forgets a nonce whose message was not taken after all. */
  remove({ from, nonce, signer, time }: Nonce): void {
    const bucket = this.#buckets.get(Math.floor(time / bucketSpan));
    if (!bucket?.seen.delete(keyOf(from, nonce))) return;
    this.#size--;
    const left = bucket.counts.get(signer)! - 1;
    if (left === 0) bucket.counts.delete(signer);
    else bucket.counts.set(signer, left);
  }

  /** Forgets what was signed before `time`, in whole minutes. */
  forget(time: number): void {
    for (const [at, { seen }] of this.#buckets) {
      const end = (at + 1) * bucketSpan;
      if (end > time) continue;
      this.#buckets.delete(at);
      this.#size -= seen.size;
      this.#forgotten = Math.max(this.#forgotten, end);
    }
  }

  #countOf(signer: string): number {
    let count = 0;
    for (const { counts } of this.#buckets.values()) count += counts.get(signer) ?? 0;
    return count;
  }
}

/** Ids hold no NUL, so no two pairs share a key. */
function keyOf(from: string, nonce: string): string {
  return from + "\0" + nonce;
}
