import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";

/** A stored device secret: the scrypt parameters (RFC 7914 §2), the salt and the hash. */
export interface SecretHash {
  /** CPU and memory cost, a power of two from 1,024 to 131,072. */
  readonly N: number;
  /** Block size, 1 to 16. One check takes 128 × N × r bytes of memory. */
  readonly r: number;
  /** Parallelisation, 1 to 4. */
  readonly p: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** What `hashSecret` uses: 16 MiB and some 40 ms for one check. */
export const defaultCost = { N: 16_384, r: 8, p: 1 } as const;

/**
 * Makes the text that stands in the config for a device's secret: `scrypt$N$r$p$salt$hash`, salt and hash in base64url. The salt is new each time.
 * @throws {RangeError} when the secret is shorter than 8 or longer than 1,024 characters, or has the form of a JWT, as which it would always be taken.
 */
export async function hashSecret(secret: string): Promise<string> {
  if (secret.length < 8 || secret.length > 1024) throw new RangeError(`Cannot hash a device secret: it has ${secret.length} characters, 8 to 1024 are allowed`);
  if (/^[\w-]+\.[\w-]+\.[\w-]*$/.test(secret)) throw new RangeError("Cannot hash a device secret: it has the form of a JWT (three parts joined by dots)");
  const salt = randomBytes(16);
  const { N, r, p } = defaultCost;
  const hash = await derive(secret, { ...defaultCost, salt, hash: new Uint8Array(32) });
  return ["scrypt", N, r, p, salt.toString("base64url"), hash.toString("base64url")].join("$");
}

/** Reads what `hashSecret` made; undefined when it is something else or its cost lies outside the limits of `SecretHash`. */
export function parseSecretHash(text: string): SecretHash | undefined {
  const [, N = "", r = "", p = "", salt = "", hash = ""] = /^scrypt\$(\d{4,6})\$(\d{1,2})\$(\d)\$([\w-]{22,86})\$([\w-]{43,86})$/.exec(text) ?? [];
  const parsed: SecretHash = { N: Number(N), r: Number(r), p: Number(p), salt: Buffer.from(salt, "base64url"), hash: Buffer.from(hash, "base64url") };
  const fits = parsed.N >= 1024 && parsed.N <= 131_072 && Number.isInteger(Math.log2(parsed.N)) && parsed.r >= 1 && parsed.r <= 16 && parsed.p >= 1 && parsed.p <= 4;
  return fits ? parsed : undefined;
}

/** Whether `secret` is the one behind `stored`. Runs on the thread pool; the comparison takes the same time wherever the two differ. */
export async function checkSecret(stored: SecretHash, secret: string): Promise<boolean> {
  return timingSafeEqual(await derive(secret, stored), stored.hash);
}

/** A hash of nothing, at the same cost as `like`: checking against it takes as long as a real check and always fails. */
export function decoyHash(like: Pick<SecretHash, "N" | "r" | "p">): SecretHash {
  return { N: like.N, r: like.r, p: like.p, salt: randomBytes(16), hash: randomBytes(32) };
}

function derive(secret: string, { N, r, p, salt, hash }: SecretHash): Promise<Buffer> {
  const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r };
  return new Promise((resolve, reject) => scrypt(secret.normalize("NFC"), salt, hash.length, options, (error, key) => (error ? reject(error) : resolve(key))));
}
