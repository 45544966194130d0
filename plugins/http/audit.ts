import type { ApiParts } from "./operation.ts";

/** Puts something into the audit log. Nobody waits for that: what was done or refused stays so, whether or not the journal takes it. */
export function audit(parts: ApiParts, payload: { readonly action: string; readonly [field: string]: unknown }): void {
  parts.bus.deliver({ type: "audit", payload, qos: 1 }).catch((error: unknown) => parts.log.error("Cannot write to the audit log", { action: payload.action, reason: error }));
}
