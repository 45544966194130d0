import { createHash, createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { BusbarError, readKeyText, readSecretFile, type Audit, type Clock, type Credentials, type DeviceCredential, type Enrolment, type EnrolmentClaim, type EnrolmentRequest, type Log, type Metrics, type Origin, type Principal } from "@busbar/core";
import { checkCertificateAuthority, signCertificate, type CertifiedKey } from "./certificate-authority.ts";
import { isPrincipalId } from "./config-fields.ts";
import type { AuthJwtConfig } from "./config-schema.ts";
import type { EnrolmentBook, Given } from "./enrolment-book.ts";
import { createFailureDelay, type FailureDelay } from "./failure-delay.ts";
import { Refusal } from "./refusal.ts";
import { isGroupName } from "./role-schema.ts";
import type { RegisterRecord } from "./register.ts";
import { hashSecret } from "./secret-hash.ts";
import { readSigningRequest } from "./signing-request.ts";

/** One-time tokens that may be open at once. */
const mostOffers = 10_000;
/** Devices that may be enrolled. */
const mostDevices = 100_000;
/** Seconds that a one-time token may be good for. */
const longestLife = 2_592_000;

/** What the desk works with. */
export interface DeskOptions {
  readonly book: EnrolmentBook;
  /** Shared with those who log in. */
  readonly delay: FailureDelay;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly audit?: Audit | undefined;
  readonly path: (file: string) => string;
  /** Makes a record last, and then takes it into the book. */
  readonly keep: (record: RegisterRecord) => Promise<void>;
  /** Whether the device is revoked. */
  readonly revoked: (id: string) => boolean;
  readonly authenticate: (credentials: Credentials, origin: Origin) => Promise<Principal>;
  /** Answers given before may have changed. */
  readonly changed: () => void;
}

/** Where devices are enrolled: see the functions of the same names in Authority. */
export interface EnrolmentDesk {
  enrol(request: EnrolmentRequest): Promise<Enrolment & { readonly token: string }>;
  enrolments(): readonly Enrolment[];
  redeem(claim: EnrolmentClaim & { readonly token: string; readonly id?: string | undefined }, origin: Origin): Promise<DeviceCredential>;
  renew(credentials: Credentials, claim: EnrolmentClaim, origin: Origin): Promise<DeviceCredential>;
}

/**
 * Opens the desk, and loads and checks the site's authority when the config has one.
 * @throws {BusbarError} CONFIG or IO when that cannot be used.
 */
export async function openEnrolmentDesk(config: AuthJwtConfig, options: DeskOptions): Promise<EnrolmentDesk> {
  const { book, clock, log, metrics, audit, keep, revoked, changed, delay } = options;
  const { enrolment } = config;
  const authority = enrolment.ca === undefined ? undefined : await loadAuthority(enrolment.ca, options);
  const renewals = createFailureDelay(clock);
  /** Digests of tokens that are being traded: the second of two who come at once finds them here. */
  const taken = new Set<string>();
  const count = (outcome: string): void => void metrics.counter("busbar_auth_enrolments_total", "One-time tokens made, traded and refused, and credentials renewed", { outcome }).value++;
  metrics.gauge("busbar_auth_enrolled_devices", "Devices that have enrolled", () => book.size);

  /** Makes what the device asked for. */
  const make = async (id: string, csr: string | undefined): Promise<{ readonly given: Given; readonly told: DeviceCredential }> => {
    if (csr === undefined) {
      const secret = randomBytes(24).toString("base64url");
      return { given: { secret: await hashSecret(secret) }, told: { id, secret } };
    }
    if (authority === undefined) throw new RangeError("Cannot sign the request: this gateway has no certificate authority (enrolment.ca)");
    const publicKey = await readSigningRequest(csr, id);
    const certificate = await signCertificate(authority, { name: id, use: "client", publicKey, days: enrolment.certificateDays, now: clock.now() });
    const parsed = new X509Certificate(certificate);
    const expires = Date.parse(parsed.validTo);
    return { given: { certificate: { fingerprint: parsed.fingerprint256, expires } }, told: { id, certificate, authority: authority.certificate, expires } };
  };

  const refuse = async (origin: Origin, why: string): Promise<never> => {
    delay.began(origin.remote, "enrolment");
    count("refused");
    log.warn("Refused an enrolment", { remote: origin.remote, transport: origin.transport, reason: why });
    audit?.write("enrolment-refused", { remote: origin.remote, transport: origin.transport, reason: why });
    await delay.refused(origin.remote, "enrolment");
    throw new Refusal("enrolment", "the enrolment token is not valid");
  };

  return {
    async enrol({ id, roles, groups = [], ttl = enrolment.ttl / 1000, by }) {
      checkRequest({ id, roles, groups, ttl }, config);
      if (revoked(id)) throw new RangeError(`Cannot enrol "${id}": it is revoked; undo that first`);
      const now = clock.now();
      const offers = book.offers(now);
      if (offers.length >= mostOffers || (book.size >= mostDevices && book.device(id) === undefined)) throw new BusbarError("OVERLOAD", `Cannot enrol more: ${offers.length} tokens are open, ${book.size} devices have enrolled`);
      const token = `enrol-${randomBytes(32).toString("base64url")}`;
      const offer: Enrolment = { id, roles: [...new Set(roles)], groups: [...new Set(groups)], expires: now + ttl * 1000, by };
      await keep({ offered: { ...offer, digest: digestOf(token), time: now } });
      count("issued");
      log.info("Made an enrolment token", { id, by });
      audit?.write("enrolment-issued", { id, roles: offer.roles, groups: offer.groups, expires: offer.expires, by });
      return { ...offer, token };
    },
    enrolments: () => book.offers(clock.now()).map(({ id, roles, groups, expires, by }) => ({ id, roles, groups, expires, by })),
    async redeem({ token, id, csr }, origin) {
      delay.check(origin.remote, "enrolment");
      const digest = digestOf(token);
      const offer = book.offer(digest);
      if (offer === undefined) return refuse(origin, "no such token, or it was used");
      if (taken.has(digest)) return refuse(origin, "it is being used");
      if (clock.now() >= offer.expires) return refuse(origin, "it has expired");
      if (id !== undefined && id !== offer.id) return refuse(origin, `it is for "${offer.id}"`);
      if (revoked(offer.id)) return refuse(origin, `"${offer.id}" is revoked`);
      taken.add(digest);
      try {
        const { given, told } = await make(offer.id, csr);
        // It may have been replaced or revoked meanwhile.
        if (book.offer(digest) !== offer || revoked(offer.id)) return refuse(origin, "it was withdrawn");
        await keep({ enrolled: { id: offer.id, roles: offer.roles, groups: offer.groups, time: clock.now(), digest, ...given } });
        delay.succeeded(origin.remote, "enrolment");
        count("redeemed");
        log.info("A device has enrolled", { id: offer.id, remote: origin.remote, by: offer.by });
        audit?.write("enrolled", { id: offer.id, kind: kindOf(given), by: offer.by, remote: origin.remote, transport: origin.transport, ...fingerprintOf(given) });
        changed(); // what the device had before counts no more
        return told;
      } finally {
        taken.delete(digest);
      }
    },
    async renew(credentials, { csr }, origin) {
      const principal = await options.authenticate(credentials, origin);
      const device = book.device(principal.id);
      if (device === undefined || principal.voucher === undefined || !book.counts(principal.voucher)) throw new BusbarError("FORBIDDEN", "Cannot renew: what was shown is no credential of an enrolled device");
      pace(renewals, device.id);
      const { given, told } = await make(device.id, csr);
      if (!book.counts(principal.voucher) || revoked(device.id)) throw new Refusal("revoked", "the credential has ended meanwhile");
      await keep({ renewed: { id: device.id, ...given } });
      count("renewed");
      log.info("A device has renewed its credential", { id: device.id, remote: origin.remote });
      audit?.write("enrolled", { id: device.id, kind: kindOf(given), renewed: true, remote: origin.remote, transport: origin.transport, ...fingerprintOf(given) });
      changed();
      return told;
    },
  };
}

/** Each renewal is a line of the register, so they are paced like failures: three at once, then with pauses that double. @throws {Refusal} "throttled". */
function pace(renewals: FailureDelay, id: string): void {
  try {
    renewals.check("renewal", id);
  } catch (cause) {
    throw new Refusal("throttled", `"${id}" has renewed too often in too short a time`, { cause });
  }
  renewals.began("renewal", id);
}

function checkRequest({ id, roles, groups, ttl }: { readonly id: string; readonly roles: readonly string[]; readonly groups: readonly string[]; readonly ttl: number }, config: AuthJwtConfig): void {
  if (!isPrincipalId(id)) throw new RangeError(`Cannot enrol: ${JSON.stringify(id.slice(0, 256))} is not an id that a device may have`);
  if (Object.hasOwn(config.devices, id)) throw new RangeError(`Cannot enrol "${id}": the config has a secret for it`);
  if (!Number.isSafeInteger(ttl) || ttl < 1 || ttl > longestLife) throw new RangeError(`Cannot enrol: ${ttl} s is not a whole number from 1 to ${longestLife}`);
  const unknown = roles.find((role) => !Object.hasOwn(config.roles, role));
  if (unknown !== undefined) throw new RangeError(`Cannot enrol: there is no role ${JSON.stringify(unknown.slice(0, 64))}`);
  if (groups.length > 1000 || !groups.every(isGroupName)) throw new RangeError("Cannot enrol: its groups are not a list of at most 1000 names");
  const foreign = roles.find((role) => !config.enrolment.roles.includes(role));
  if (foreign !== undefined) throw new BusbarError("FORBIDDEN", `Cannot enrol with the role "${foreign}": enrolment.roles of the config allows ${config.enrolment.roles.join(", ") || "none"}`);
}

async function loadAuthority(ca: NonNullable<AuthJwtConfig["enrolment"]["ca"]>, { clock, path }: DeskOptions): Promise<CertifiedKey> {
  const where = "enrolment.ca";
  const certificate = await readKeyText(path(ca.certFile));
  const pem = await readSecretFile(path(ca.keyFile));
  let authority: CertifiedKey;
  try {
    authority = { certificate, key: createPrivateKey({ key: Buffer.from(pem), format: "pem", ...(ca.passphrase === undefined ? {} : { passphrase: ca.passphrase }) }) };
  } catch {
    throw new BusbarError("CONFIG", `Cannot sign with ${where}: "${ca.keyFile}" is no private key in PEM, or its passphrase is another`); // a cause might show the passphrase
  }
  checkCertificateAuthority(authority, { where, now: clock.now() });
  return authority;
}

function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

function kindOf({ secret }: Given): "secret" | "certificate" {
  return secret === undefined ? "certificate" : "secret";
}

function fingerprintOf({ certificate }: Given): { readonly fingerprint?: string } {
  return certificate === undefined ? {} : { fingerprint: certificate.fingerprint };
}
