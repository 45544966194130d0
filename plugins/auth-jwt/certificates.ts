import type { AuthJwtConfig } from "./config-schema.ts";
import { isPrincipalId } from "./config-fields.ts";
import type { EnrolmentBook } from "./enrolment-book.ts";
import type { Identity } from "./identity.ts";
import { Refusal } from "./refusal.ts";

/** What TLS found out about a client certificate. */
export interface CertificateNames {
  /** The subject's CN, then the DNS names of the SAN. */
  readonly names: readonly string[];
  readonly fingerprint: string;
  /** When it ends, and with it the identity: ms since the Unix epoch. */
  readonly expires?: number | undefined;
}

/** Says whom client certificates stand for. */
export interface Certificates {
  /** @throws {Refusal} "certificate" when there is no rule for it. */
  find(shown: CertificateNames): Identity;
  /** Whether the rule that let somebody in is still there. */
  counts(voucher: string): boolean;
  /** What that rule says now of whom it let in; undefined when there is none. */
  rule(voucher: string): Pick<Identity, "roles" | "groups"> | undefined;
}

/**
 * Makes what says whom a client certificate stands for: the device that was given it when it enrolled (`book`), else the entry of `certificates` for the first of its names that has one, else what `certificateId` says.
 * Its fingerprint becomes the credential, so that the one certificate can be revoked.
 */
export function createCertificates(config: AuthJwtConfig, book?: Pick<EnrolmentBook, "certificate">): Certificates {
  const entries = new Map(Object.entries(config.certificates));
  const vouchers = new Map<string, Pick<Identity, "roles" | "groups">>(Object.entries(config.certificates).map(([name, entry]) => [voucherOf(name, entry.id), entry]));
  if (config.certificateId === "cn") vouchers.set(byName, { roles: config.certificateRoles });
  return {
    counts: (voucher) => vouchers.has(voucher),
    rule: (voucher) => vouchers.get(voucher),
    find({ names, fingerprint, expires }) {
      const until = expires === undefined ? {} : { expires };
      const enrolled = book?.certificate(fingerprint);
      if (enrolled === "ended") throw new Refusal("certificate", "the device has enrolled anew since it was given this certificate");
      if (enrolled !== undefined) return { ...enrolled, ...until };
      for (const name of names) {
        const entry = entries.get(name);
        if (entry !== undefined) return { ...entry, ...until, credential: fingerprint, voucher: voucherOf(name, entry.id) };
      }
      const [cn] = names;
      if (config.certificateId === "none" || cn === undefined) throw new Refusal("certificate", `no rule for the certificate of ${JSON.stringify(names.slice(0, 5))}`);
      if (!isPrincipalId(cn)) throw new Refusal("certificate", `the certificate's CN ${JSON.stringify(cn.slice(0, 256))} is not an id that somebody may have`);
      return { id: cn, roles: config.certificateRoles, ...until, credential: fingerprint, voucher: byName };
    },
  };
}

/** `Principal.voucher` of whom `certificateId: cn` lets in. */
const byName = "certificate";

function voucherOf(name: string, id: string): string {
  return `certificate ${JSON.stringify([name, id])}`;
}
