import { createHash } from "node:crypto";
import type { Enrolment } from "@busbar/core";
import type { Identity } from "./identity.ts";
import type { RegisterRecord } from "./register.ts";
import { parseSecretHash, type SecretHash } from "./secret-hash.ts";

/** A one-time token that has not been used; the token itself is known to nobody but who was told it. */
export interface Offer extends Enrolment {
  /** SHA-256 of the token. It has 256 random bits, so that no slower hash is needed. */
  readonly digest: string;
  readonly time: number;
}

/** Certificates of one device that count at once: a further one ends the oldest. */
const mostCertificates = 10;

/** A certificate that a device was given. */
export interface IssuedCertificate {
  /** As Node writes it: SHA-256 in hexadecimal pairs. */
  readonly fingerprint: string;
  readonly expires: number;
}

/** A device that has enrolled. */
export interface EnrolledDevice {
  readonly id: string;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  /** When it enrolled, ms since the Unix epoch. */
  readonly time: number;
  /** The hash of its secret. */
  readonly secret?: string | undefined;
  /** The hash of the one before, until a new one is used, however often it is renewed until then: an answer may have been lost. */
  readonly former?: string | undefined;
  readonly certificates: readonly IssuedCertificate[];
}

/** What a device gets: the hash of a secret, or a certificate. */
export interface Given {
  readonly secret?: string;
  readonly certificate?: IssuedCertificate;
}

/** Who may enrol and who has, in memory; the register has the records that it is made of. */
export class EnrolmentBook {
  readonly #offers = new Map<string, Offer>();
  readonly #devices = new Map<string, EnrolledDevice>();
  /** Each certificate that was given here, by its fingerprint. One that its device does not have any more, as it has enrolled anew, has ended. */
  readonly #certificates = new Map<string, IssuedCertificate & { readonly id: string }>();
  readonly #hashes = new Map<string, SecretHash>();

  /** Offers that have not expired. */
  offers(now: number): readonly Offer[] {
    return [...this.#offers.values()].filter(({ expires }) => now < expires);
  }

  offer(digest: string): Offer | undefined {
    return this.#offers.get(digest);
  }

  device(id: string): EnrolledDevice | undefined {
    return this.#devices.get(id);
  }

  /** How many devices have enrolled. */
  get size(): number {
    return this.#devices.size;
  }

  /** The hashes of a device's secrets, the newest first, each with who it stands for. */
  secrets(id: string): readonly { readonly hash: SecretHash; readonly identity: Identity }[] {
    const device = this.#devices.get(id);
    if (device === undefined) return [];
    const { roles, groups, secret, former } = device;
    return [secret, former].flatMap((text) => (text === undefined ? [] : [{ hash: this.#parsed(text), identity: { id, roles, groups, voucher: secretVoucher(id, text) } }]));
  }

  /** Whose certificate that is: "ended" when it was given here and counts no more, undefined when it was not given here. */
  certificate(fingerprint: string): Identity | "ended" | undefined {
    const issued = this.#certificates.get(fingerprint);
    if (issued === undefined) return undefined;
    const { id } = issued;
    const device = this.#devices.get(id);
    if (!device?.certificates.some((one) => one.fingerprint === fingerprint)) return "ended";
    return { id, roles: device.roles, groups: device.groups, credential: fingerprint, voucher: certificateVoucher(id, fingerprint) };
  }

  /** Whether a credential that was given here still is the device's. */
  counts(voucher: string): boolean {
    const [kind, id, name] = voucher.split(" ");
    const device = id === undefined ? undefined : this.#devices.get(id);
    if (device === undefined) return false;
    if (kind === "enrolled-secret") return [device.secret, device.former].some((text) => text !== undefined && secretVoucher(device.id, text) === voucher);
    return kind === "enrolled-certificate" && device.certificates.some(({ fingerprint }) => fingerprint === name);
  }

  /** Whether it is the secret that was renewed, which ends when the new one is used. */
  isFormer(voucher: string, id: string): boolean {
    const former = this.#devices.get(id)?.former;
    return former !== undefined && secretVoucher(id, former) === voucher;
  }

  /** Takes a record of the register. Returns false when it is another's. @throws {TypeError} for one that cannot be understood. */
  apply(record: RegisterRecord): boolean {
    const { offered, enrolled, renewed, settled, device, ended } = record as { ended?: IssuedCertificate & { id: string }; offered?: Offer; enrolled?: EnrolledDevice & Given & { digest: string }; renewed?: { id: string } & Given; settled?: { id: string }; device?: EnrolledDevice };
    if (offered) this.#offered(check(offered));
    else if (enrolled) this.#enrolled(check(enrolled));
    else if (renewed) this.#renewed(check(renewed));
    else if (settled) this.#settled(check(settled).id);
    else if (device) this.#keep(check(device));
    else if (ended) this.#certificates.set(ended.fingerprint, check(ended));
    else return false;
    return true;
  }

  /** The records that bring all of it back. `now`: what has expired is left out. */
  snapshot(now: number): readonly RegisterRecord[] {
    const devices = [...this.#devices.values()].map((device) => ({ device: { ...device, certificates: device.certificates.filter(({ expires }) => now < expires) } }));
    const ended = [...this.#certificates.values()].filter(({ fingerprint, expires }) => now < expires && this.certificate(fingerprint) === "ended");
    return [...this.offers(now).map((offered) => ({ offered })), ...devices, ...ended.map((one) => ({ ended: one }))];
  }

  #offered(offer: Offer): void {
    for (const { digest, id } of this.#offers.values()) if (id === offer.id) this.#offers.delete(digest);
    this.#offers.set(offer.digest, offer);
  }

  #enrolled({ digest, id, roles, groups, time, secret, certificate }: EnrolledDevice & Given & { readonly digest: string }): void {
    this.#offers.delete(digest);
    this.#keep({ id, roles, groups, time, secret, certificates: certificate ? [certificate] : [] });
  }

  #renewed({ id, secret, certificate }: { readonly id: string } & Given): void {
    const device = this.#devices.get(id);
    if (device === undefined) throw new TypeError("Cannot read a renewal: its device has not enrolled");
    this.#keep({ ...device, ...(secret === undefined ? {} : { secret, former: device.former ?? device.secret }), certificates: certificate ? [...device.certificates, certificate].slice(-mostCertificates) : device.certificates });
  }

  #settled(id: string): void {
    const device = this.#devices.get(id);
    if (device) this.#keep({ ...device, former: undefined });
  }

  #keep(device: EnrolledDevice): void {
    if (!Array.isArray(device.roles) || !Array.isArray(device.groups) || !Array.isArray(device.certificates)) throw new TypeError("Cannot read an enrolled device: its roles, groups or certificates are missing");
    for (const text of [device.secret, device.former]) if (text !== undefined) this.#parsed(text);
    this.#devices.set(device.id, device);
    for (const one of device.certificates) this.#certificates.set(one.fingerprint, { ...one, id: device.id });
  }

  #parsed(text: string): SecretHash {
    const known = this.#hashes.get(text) ?? parseSecretHash(text);
    if (known === undefined) throw new TypeError("Cannot read an enrolled device: its secret is not what hashSecret makes");
    this.#hashes.set(text, known);
    return known;
  }
}

function check<T extends { readonly id: string }>(entry: T): T {
  if (typeof entry.id !== "string") throw new TypeError("Cannot read an enrolment: it has no id");
  return entry;
}

function secretVoucher(id: string, hash: string): string {
  return `enrolled-secret ${id} ${createHash("sha256").update(hash).digest("base64url").slice(0, 22)}`;
}

function certificateVoucher(id: string, fingerprint: string): string {
  return `enrolled-certificate ${id} ${fingerprint}`;
}
