import type { Principal } from "@busbar/core";
import type { ApiParts } from "./operation.ts";
import { forbidden } from "./problem.ts";

/** What one must be allowed to subscribe to in order to see how the gateway itself stands: plugins, flows, metrics. */
export const gatewayRight = "gateway/#";

/** Whether the principal may read what is said on the topics of that filter. */
export function maySee(parts: ApiParts, principal: Principal, pattern: string): boolean {
  return parts.authority.can(principal, "subscribe", pattern);
}

/** @throws {Problem} 403 unless the principal may read the topics of that filter. */
export function checkMaySee(parts: ApiParts, principal: Principal, pattern: string): void {
  if (maySee(parts, principal, pattern)) return;
  throw forbidden(`read ${pattern}`);
}
