import type { Log } from "../log.ts";

const day = 86_400_000;
/** Days ahead at which a certificate is warned about. */
const steps = [30, 7, 1] as const;

/** A certificate that will expire. */
export interface Expiring {
  /** What it is, as in "TLS certificate expires within 7 days". */
  readonly what: string;
  readonly file: string;
  /** ms since the Unix epoch. */
  readonly expires: number;
}

/** Warns about certificates 30, 7 and 1 days before they expire, and when they have: each once as long as it lives. */
export class ExpiryWarnings {
  readonly #log: Log;
  /** The lowest step that was said, by what and when: a new certificate begins anew. */
  readonly #said = new Map<string, number>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Looks at the certificates in use. Called every few seconds. */
  look(now: number, certificates: readonly Expiring[]): void {
    for (const { what, file, expires } of certificates) {
      const left = expires - now;
      const step = left <= 0 ? 0 : steps.findLast((days) => left <= days * day);
      const key = `${what} ${expires}`;
      if (step === undefined || step >= (this.#said.get(key) ?? Number.POSITIVE_INFINITY)) continue;
      this.#said.set(key, step);
      const fields = { file, expires: new Date(expires).toISOString(), daysLeft: daysLeft(expires, now) };
      if (step === 0) this.#log.error(`${what} has expired: clients refuse it`, fields);
      else this.#log.warn(`${what} expires within ${step} ${step === 1 ? "day" : "days"}`, fields);
    }
  }
}

/** Days until then, with one digit after the point; negative when it is over. */
export function daysLeft(expires: number, now: number): number {
  return Math.round(((expires - now) / day) * 10) / 10;
}
