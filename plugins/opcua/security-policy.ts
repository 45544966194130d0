/** Security policies (OPC 10000-7 §6.6) by the names that a config uses, the weakest first. Basic128Rsa15 and Basic256 rest on SHA-1 and are deprecated. */
export const securityPolicies = ["None", "Basic128Rsa15", "Basic256", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] as const;

/** One of the security policies. */
export type SecurityPolicyName = (typeof securityPolicies)[number];

/** Modes of a secured channel, the weaker first. */
export const securityModes = ["Sign", "SignAndEncrypt"] as const;

/** One of the modes. */
export type SecurityModeName = (typeof securityModes)[number];

/** What a config asks for: `auto` is the strongest that both sides have, and never None. */
export interface SecurityWish {
  readonly policy: SecurityPolicyName | "auto";
  readonly mode: SecurityModeName | "auto";
}

/** What an endpoint offers, in the config's words. */
export interface SecurityOffer {
  readonly policy: SecurityPolicyName;
  /** None exactly where the policy is None. */
  readonly mode: SecurityModeName | "None";
}

/** Policies that `auto` does not choose: SHA-1 in them is broken. Whoever needs one names it. */
const deprecated: ReadonlySet<SecurityPolicyName> = new Set(["Basic128Rsa15", "Basic256"]);

/** Whether the wish allows an offer. */
export function fitsWish({ policy, mode }: SecurityWish, offer: SecurityOffer): boolean {
  if (policy === "auto" ? offer.policy === "None" || deprecated.has(offer.policy) : offer.policy !== policy) return false;
  return offer.policy === "None" || mode === "auto" || offer.mode === mode;
}

/** How strong an offer is: higher is stronger. Encrypting counts before the policy. */
export function strength({ policy, mode }: SecurityOffer): number {
  return (mode === "SignAndEncrypt" ? 100 : 0) + securityPolicies.indexOf(policy);
}
