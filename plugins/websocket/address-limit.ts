/** Connections at once from one address, where the config says nothing else. */
const defaultMost = 1000;

/** Counts connections by address, so that one machine cannot take every place. */
export class AddressLimit {
  readonly #counts = new Map<string, number>();
  readonly #most: number | undefined;

  /** `most`: connections at once from one address; undefined = 1,000, and no limit from this machine itself. */
  constructor(most: number | undefined) {
    this.#most = most;
  }

  /** Addresses that are counted now. */
  get size(): number {
    return this.#counts.size;
  }

  /** Counts one more from there, unless it has as many as it may: then it returns false. */
  take(address: string): boolean {
    const count = this.#counts.get(address) ?? 0;
    if (count >= (this.#most ?? (isLoopback(address) ? Number.POSITIVE_INFINITY : defaultMost))) return false;
    this.#counts.set(address, count + 1);
    return true;
  }

  /** Counts one less from there. */
  free(address: string): void {
    const count = this.#counts.get(address) ?? 0;
    if (count > 1) this.#counts.set(address, count - 1);
    else this.#counts.delete(address);
  }
}

/** 127.0.0.0/8, also as a dual-stack listener sees it (RFC 4291 §2.5.5.2), and ::1. */
function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\./i.test(address) || address === "::1";
}
