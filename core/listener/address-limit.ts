import { addressBlock, isLoopback } from "./address.ts";

/** Counts connections by address, so that one machine cannot take every place. An IPv6 network of 64 bits counts as one address. */
export class AddressLimit {
  readonly #counts = new Map<string, number>();
  readonly #most: number | undefined;
  readonly #usual: number;

  /** `most`: connections at once from one address; undefined = `usual`, and no limit from this machine itself. */
  constructor(most: number | undefined, usual = 1000) {
    this.#most = most;
    this.#usual = usual;
  }

  /** Addresses that are counted now. */
  get size(): number {
    return this.#counts.size;
  }

  /** Counts one more from there, unless it has as many as it may: then it returns false. */
  take(remote: string): boolean {
    const address = addressBlock(remote);
    const count = this.#counts.get(address) ?? 0;
    if (count >= (this.#most ?? (isLoopback(address) ? Number.POSITIVE_INFINITY : this.#usual))) return false;
    this.#counts.set(address, count + 1);
    return true;
  }

  /** Counts one less from there. */
  free(remote: string): void {
    const address = addressBlock(remote);
    const count = this.#counts.get(address) ?? 0;
    if (count > 1) this.#counts.set(address, count - 1);
    else this.#counts.delete(address);
  }
}
