import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes, timingSafeEqual, type KeyObject } from "node:crypto";

/** A key for what is stored: 32 bytes, and the id that is stored with what it encrypts. */
export interface AtRestKey {
  /** 1–64 of `[A-Za-z0-9._-]`. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** NIST SP 800-38D §8.2.2: a random nonce of 96 bits, for at most 2^32 messages of one key. */
const nonceBytes = 12;
const tagBytes = 16;
/** What sealing adds. */
export const boxOverhead = nonceBytes + tagBytes;

/** The keys of what is stored: the first encrypts, all decrypt. AES-256-GCM. */
export class AtRestKeys {
  /** The id of the one that encrypts. */
  readonly current: string;
  readonly #keys: ReadonlyMap<string, KeyObject>;

  /** @throws {RangeError} when there is none, or one has not 32 bytes. */
  constructor(keys: readonly AtRestKey[]) {
    if (keys.length === 0 || keys.some(({ bytes }) => bytes.length !== 32)) throw new RangeError("Cannot encrypt what is stored: it takes one key or more, each of 32 bytes");
    this.current = keys[0]!.id;
    this.#keys = new Map(keys.map(({ id, bytes }) => [id, createSecretKey(bytes)]));
  }

  get ids(): readonly string[] {
    return [...this.#keys.keys()];
  }

  has(id: string): boolean {
    return this.#keys.has(id);
  }

  /** Encrypts with the current key: nonce, ciphertext, tag. `bound` is what the box cannot be parted from. */
  seal(plain: Uint8Array, bound: readonly Uint8Array[]): Buffer {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv("aes-256-gcm", this.#keys.get(this.current)!, nonce);
    cipher.setAAD(Buffer.concat(bound));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  /** Decrypts what `seal` made with the key `id`, which is there. Undefined when it is not as it was made, or is bound to something else. */
  open(id: string, box: Uint8Array, bound: readonly Uint8Array[]): Buffer | undefined {
    if (box.length < boxOverhead) return undefined;
    const cipher = createDecipheriv("aes-256-gcm", this.#keys.get(id)!, box.subarray(0, nonceBytes), { authTagLength: tagBytes });
    cipher.setAAD(Buffer.concat(bound));
    cipher.setAuthTag(box.subarray(box.length - tagBytes));
    try {
      return Buffer.concat([cipher.update(box.subarray(nonceBytes, box.length - tagBytes)), cipher.final()]);
    } catch {
      return undefined; // the only way in which GCM says that the tag is another one
    }
  }

  /** A text by which a later start knows the key `id`, which is there, again. Tells nothing about the key, which is 256 random bits. */
  checkValue(id: string): string {
    return createHmac("sha256", this.#keys.get(id)!).update(`busbar at rest key\n${id}`).digest("base64url");
  }

  /** Whether the key `id`, which is there, is the one that a check value is of. */
  isKey(id: string, checkValue: string): boolean {
    const [mine, given] = [Buffer.from(this.checkValue(id)), Buffer.from(checkValue)];
    return mine.length === given.length && timingSafeEqual(mine, given);
  }
}
