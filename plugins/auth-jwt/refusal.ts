import { BusbarError } from "@busbar/core";

/**
 * Why somebody was not let in; the label of `busbar_auth_failures_total` and a field of the log line.
 * `malformed` no token at all · `algorithm` no key for the token's algorithm or kid · `header` a header that asks for what we do not do (`crit`) ·
 * `signature` · `expired` · `not-active` (`nbf` ahead) · `audience` · `issuer` · `trust` (its key may not speak for that id) · `claims` (`sub`, `roles` or `exp` missing or wrong) · `id` (the claimed id is not the
 * token's) · `certificate` (no rule for it) · `secret` (wrong, or no such device) · `throttled` (too many failures) · `overload` (too many at once) · `revoked` · `enrolment` (the one-time token).
 */
export type RefusalReason =
  | "malformed"
  | "algorithm"
  | "header"
  | "signature"
  | "expired"
  | "not-active"
  | "audience"
  | "issuer"
  | "trust"
  | "claims"
  | "id"
  | "certificate"
  | "secret"
  | "throttled"
  | "overload"
  | "revoked"
  | "enrolment";

/** Somebody was not let in. Its message goes to the log, never to the peer, and holds no part of the token. */
export class Refusal extends BusbarError {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, state: string, options: { readonly cause?: unknown } = {}) {
    // Those two pass by themselves, so the peer may come again with the same credentials.
    super("UNAUTHENTICATED", `Cannot authenticate: ${state}`, { ...options, retryable: reason === "overload" || reason === "throttled" });
    this.name = "Refusal";
    this.reason = reason;
  }
}
