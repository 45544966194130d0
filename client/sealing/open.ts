import { flattenedDecrypt, type FlattenedJWE, type JWK } from "jose";
import { ClientError } from "../client-error.ts";
import type { Binding, SealingKey } from "../sealed.ts";
import { bindingBytes } from "./binding.ts";
import { contentEncryption, keyManagement, maxRecipients, toBase64Url, type Jwe, type JweRecipient } from "./jwe.ts";
import { checkKey, kidOf } from "./seal.ts";
import { decodeSealed } from "./sealed-bytes.ts";

/** Characters of a header at the most: there is room for a key and its name. */
const maxHeader = 2048;

/** Opens sealed payloads with the keys that a reader has. */
export class Opener {
  readonly #keys: Promise<ReadonlyMap<string, SealingKey>>;

  /** `keys`: private keys. A key of another kind makes every `open` fail. */
  constructor(keys: readonly SealingKey[]) {
    this.#keys = namedKeys(keys);
    this.#keys.catch(() => {}); // `open` tells of it
  }

  /**
   * The payload that was sealed.
   * @throws {ClientError} SEALED when none of the keys is among those it was sealed for, when it was sealed for another message, or was altered; when it is encrypted in another way than
   * docs/wire.md says, nothing is computed at all.
   */
  async open(payload: unknown, binding: Binding): Promise<unknown> {
    try {
      const jwe = payload instanceof Uint8Array ? decodeSealed(payload) : checkJwe((payload as { readonly $sealed: unknown }).$sealed);
      const header = readHeader(jwe.protected);
      const { recipient, key } = await this.#findKey(jwe, header.epk);
      const aad = toBase64Url(bindingBytes(binding));
      if (jwe.aad !== undefined && jwe.aad !== aad) throw refused("it was sealed for another message");
      const flat = { protected: jwe.protected, header: recipient.header, encrypted_key: recipient.encrypted_key, iv: jwe.iv, ciphertext: jwe.ciphertext, tag: jwe.tag, aad } as FlattenedJWE;
      const { plaintext } = await flattenedDecrypt(flat, key as JWK, { keyManagementAlgorithms: [keyManagement], contentEncryptionAlgorithms: [contentEncryption] });
      return header.cty === "octet-stream" ? new Uint8Array(plaintext) : (JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plaintext)) as unknown);
    } catch (cause) {
      throw cause instanceof ClientError ? cause : refused("it was altered, sealed for another message, or is none", cause);
    }
  }

  async #findKey({ recipients }: Jwe, epk: unknown): Promise<{ readonly recipient: JweRecipient; readonly key: SealingKey }> {
    const keys = await this.#keys;
    for (const recipient of recipients) {
      checkRecipient(recipient, epk);
      const key = keys.get(recipient.header["kid"] as string);
      if (key !== undefined) return { recipient, key };
    }
    throw refused(`it is for ${recipients.map(({ header }) => String(header["kid"]).slice(0, 64)).join(", ") || "nobody"}, and the keys here are ${[...keys.keys()].join(", ") || "none"}`);
  }
}

async function namedKeys(keys: readonly SealingKey[]): Promise<ReadonlyMap<string, SealingKey>> {
  for (const key of keys) {
    checkKey(key);
    if (key.d === undefined) throw new ClientError("SEALED", "Cannot open sealed payloads with a public key: the private one is needed");
  }
  return new Map(await Promise.all(keys.map(async (key) => [await kidOf(key), key] as const)));
}

/** A JWE of exactly the members that `sealPayload` makes: no other is looked at. */
function checkJwe(value: unknown): Jwe {
  const { protected: header, recipients, aad, iv, ciphertext, tag, ...more } = (typeof value === "object" && value !== null ? value : {}) as Partial<Record<keyof Jwe, unknown>>;
  if (Object.keys(more).length > 0 || ![header, aad, iv, ciphertext, tag].every((part) => typeof part === "string") || !Array.isArray(recipients) || recipients.length > maxRecipients) throw refused("it is not a JWE with these members: protected, recipients, aad, iv, ciphertext, tag");
  return value as Jwe;
}

/** The protected header has `enc`, `cty` and, for one reader, `epk`, and nothing else: no `zip`, no `crit`. */
function readHeader(text: string): { readonly cty: string; readonly epk: unknown } {
  const header = text.length > maxHeader ? {} : (JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/"))) as Readonly<Record<string, unknown>>);
  const { enc, cty, epk, ...more } = header;
  if (Object.keys(more).length > 0 || enc !== contentEncryption || (cty !== "json" && cty !== "octet-stream")) throw refused(`its protected header must be {"enc":"${contentEncryption}","cty":"json"|"octet-stream"}`);
  return { cty, epk };
}

/** A recipient's header has `alg`, `kid` and, unless the protected one has it (`shared`), `epk`, and nothing else: neither another algorithm nor what would set it to work, such as `p2c`. */
function checkRecipient(recipient: unknown, shared: unknown): void {
  const { header, encrypted_key: key, ...others } = (typeof recipient === "object" && recipient !== null ? recipient : {}) as Partial<Record<keyof JweRecipient, unknown>>;
  const { alg, kid, epk, ...more } = (typeof header === "object" && header !== null ? header : {}) as Readonly<Record<string, unknown>>;
  const whole = typeof key === "string" && key.length === 54 && typeof kid === "string" && typeof (shared ?? epk) === "object" && (shared === undefined) !== (epk === undefined); // 40 bytes: a key of 256 bits, wrapped (RFC 3394)
  if (!whole || alg !== keyManagement || Object.keys(more).length > 0 || Object.keys(others).length > 0) throw refused(`each recipient's header must be {"alg":"${keyManagement}","kid","epk"}, beside a wrapped key of 256 bits`);
}

function refused(state: string, cause?: unknown): ClientError {
  return new ClientError("SEALED", `Cannot open a sealed payload: ${state}`, { cause });
}

