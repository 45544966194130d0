import type { AuthJwtConfig } from "./config-schema.ts";
import { isPrincipalId, type Identity } from "./identity.ts";
import { Refusal } from "./refusal.ts";

/** What TLS found out about a client certificate. */
export interface CertificateNames {
  /** The subject's CN, then the DNS names of the SAN. */
  readonly names: readonly string[];
  readonly fingerprint: string;
}

/**
 * Makes the function that says whom a client certificate stands for: the entry of `certificates` for the first of its names that has one, else what `certificateId` says.
 * Its fingerprint becomes the credential, so that the one certificate can be revoked.
 * @throws {Refusal} "certificate" from the function it returns.
 */
export function createCertificates(config: AuthJwtConfig): (shown: CertificateNames) => Identity {
  const entries = new Map(Object.entries(config.certificates));
  return ({ names, fingerprint }) => {
    for (const name of names) {
      const entry = entries.get(name);
      if (entry !== undefined) return { ...entry, credential: fingerprint };
    }
    const [cn] = names;
    if (config.certificateId === "none" || cn === undefined) throw new Refusal("certificate", `no rule for the certificate of ${JSON.stringify(names.slice(0, 5))}`);
    if (!isPrincipalId(cn)) throw new Refusal("certificate", `the certificate's CN ${JSON.stringify(cn.slice(0, 256))} is not an id that somebody may have`);
    return { id: cn, roles: config.certificateRoles, credential: fingerprint };
  };
}
