/**
 * Who a peer is and what it may do (WIRE §6). The plugin provides the Authority: it checks JSON Web Tokens against keys that are each pinned to one algorithm,
 * the secrets of devices (scrypt), and client certificates that TLS has verified; it knows roles with `{id}` and `{group}`, device groups and
 * revocations. What no role grants is refused, and a denial wins over every grant.
 *
 * Besides the plugin there is what a command line needs without a running gateway: `issueToken` makes a token from the plugin's config, `hashSecret`
 * the text that stands there for a device's secret. `createAuthority` is the plugin without a kernel.
 *
 * @module
 */
export { checkCertificateAuthority, createCertificateAuthority, createKey, signCertificate, type CertificateRequest, type CertifiedKey } from "./certificate-authority.ts";
export { isPrincipalId } from "./config-fields.ts";
export { type AuthJwtConfig, configSchema } from "./config-schema.ts";
export { type AuthorityOptions, createAuthority, type JwtAuthority } from "./create-authority.ts";
export { knownPrincipals, tokenPrincipal, type KnownPrincipal } from "./known-principals.ts";
export { createRights, type Rights } from "./rights.ts";
export { fill as fillPattern, holds as ruleHolds, type CompiledRule } from "./role-rules.ts";
export { transports } from "./role-schema.ts";
export { issueToken } from "./issue-token.ts";
export { authJwt, authJwt as default } from "./plugin.ts";
export { Refusal, type RefusalReason } from "./refusal.ts";
export { hashSecret } from "./secret-hash.ts";
export { readSigningRequest } from "./signing-request.ts";
