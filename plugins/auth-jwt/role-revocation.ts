import type { Principal } from "@busbar/core";
import type { RevocationList } from "./revocation-list.ts";
import type { Rights } from "./rights.ts";

/**
 * The same answers, but nothing is granted by a role that is revoked. What such a role denies stays denied: to revoke must never widen what somebody may do.
 * While no role is revoked this costs one comparison.
 */
export function withoutRevokedRoles(rights: Rights, list: RevocationList): Pick<Rights, "can" | "explain"> {
  const bare = new WeakMap<Principal, Principal>();
  const without = (principal: Principal): Principal => {
    const roles = list.standing(principal.roles);
    if (roles.length === principal.roles.length) return principal;
    const known = bare.get(principal);
    if (known !== undefined && known.roles.length === roles.length && known.roles.every((role, at) => role === roles[at])) return known;
    const made = { ...principal, roles };
    bare.set(principal, made);
    return made;
  };
  return {
    can(principal, action, topic) {
      if (!list.anyRole) return rights.can(principal, action, topic);
      const standing = without(principal);
      return rights.can(standing, action, topic) && (standing === principal || rights.can(principal, action, topic));
    },
    explain(principal, action, topic) {
      const whole = rights.explain(principal, action, topic);
      const standing = list.anyRole ? without(principal) : principal;
      if (standing === principal || !whole.allowed) return whole;
      const left = rights.explain(standing, action, topic);
      if (left.allowed || whole.rule === undefined) return left;
      return { ...left, why: `the role "${whole.rule.role}" is revoked`, near: [{ rule: whole.rule, why: "grants it, but its role is revoked" }, ...left.near] };
    },
  };
}
