import { covers, isId, isPattern, type Action, type Principal } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";
import { overlaps } from "./overlaps.ts";

interface Rights {
  readonly granted: Readonly<Record<Action, readonly string[]>>;
  readonly denied: Readonly<Record<Action, readonly string[]>>;
}

/** Whether `text` is a pattern of a role: a topic filter in which a whole level may be `{id}` or `{group}`. */
export function isRolePattern(text: string): boolean {
  return text.length <= 512 && isPattern(text.split("/").map((level) => (level === "{id}" || level === "{group}" ? "x" : level)).join("/"));
}

/** Whether `text` can be the name of a group: one level of an id. */
export function isGroupName(text: string): boolean {
  return isId(text) && !text.includes("/");
}

/**
 * Makes the function behind `Authority.can`: allowed is what lies wholly within a granted pattern and touches no denied one, whichever of the
 * holder's roles says so. The patterns of a principal are written out once and kept as long as the principal object lives.
 */
export function createRights(roles: AuthJwtConfig["roles"]): (principal: Principal, action: Action, topic: string) => boolean {
  const byName = new Map(Object.entries(roles));
  const compiled = new WeakMap<Principal, Rights>();

  const compile = (principal: Principal): Rights => {
    const held = principal.roles.flatMap((name) => byName.get(name) ?? []);
    const expand = (pick: (role: AuthJwtConfig["roles"][string]) => readonly string[]): string[] => [
      ...new Set(held.flatMap((role) => pick(role).flatMap((pattern) => fill(pattern, principal)))),
    ];
    return {
      granted: { publish: expand((role) => role.publish), subscribe: expand((role) => role.subscribe) },
      denied: { publish: expand((role) => role.deny.publish), subscribe: expand((role) => role.deny.subscribe) },
    };
  };

  return (principal, action, topic) => {
    let rights = compiled.get(principal);
    if (!rights) compiled.set(principal, (rights = compile(principal)));
    for (const pattern of rights.denied[action]) if (overlaps(pattern, topic)) return false;
    for (const pattern of rights.granted[action]) if (covers(pattern, topic)) return true;
    return false;
  };
}

/** Writes a role's pattern out for one holder: one pattern, or with `{group}` one for each of its groups. An id or group with a wildcard in it would widen the right, so there is none for it. */
function fill(pattern: string, principal: Principal): string[] {
  const levels = pattern.split("/");
  if (levels.includes("{id}") && !isId(principal.id)) return [];
  const own = levels.map((level) => (level === "{id}" ? principal.id : level));
  if (!levels.includes("{group}")) return [own.join("/")];
  return principal.groups.filter(isGroupName).map((group) => own.map((level) => (level === "{group}" ? group : level)).join("/"));
}
