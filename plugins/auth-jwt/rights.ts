import { covers, overlaps, type Action, type Decision, type Origin, type Principal } from "@busbar/core";
import type { AuthJwtConfig } from "./config-schema.ts";
import { explain } from "./explain.ts";
import { compileRole, holds, patternsOf, type CompiledRule } from "./role-rules.ts";

/** What the roles of a config let somebody do. */
export interface Rights {
  /** `Authority.can`. */
  can(principal: Principal, action: Action, topic: string): boolean;
  /** `Authority.explain`. */
  explain(principal: Principal, action: Action, topic: string): Decision;
  /** Every rule of the principal's roles, grants before denials role by role. */
  rules(principal: Principal): readonly CompiledRule[];
  /** The principal with `via` when one of its rules asks for that, else the same one. */
  placed(principal: Principal, origin: Origin): Principal;
}

interface WrittenOut {
  readonly granted: Readonly<Record<Action, readonly string[]>>;
  readonly denied: Readonly<Record<Action, readonly string[]>>;
}

/**
 * Compiles the roles: allowed is what lies wholly within a granted pattern and touches no denied one, whichever of the
 * holder's roles says so. The patterns of a principal are written out once and kept as long as the principal object lives.
 */
export function createRights(roles: AuthJwtConfig["roles"]): Rights {
  const byName = new Map(Object.entries(roles).map(([name, role]) => [name, compileRole(name, role)]));
  const conditional = new Set([...byName].filter(([, rules]) => rules.some(({ test }) => test !== undefined)).map(([name]) => name));
  const written = new WeakMap<Principal, WrittenOut>();
  const rules = (principal: Principal): CompiledRule[] => principal.roles.flatMap((name) => byName.get(name) ?? []);

  const writeOut = (principal: Principal): WrittenOut => {
    const held = rules(principal).filter((rule) => holds(rule, principal));
    const patterns = (effect: CompiledRule["effect"], action: Action): string[] => [
      ...new Set(held.filter((rule) => rule.effect === effect && rule.action === action).flatMap((rule) => patternsOf(rule, principal))),
    ];
    return {
      granted: { publish: patterns("grant", "publish"), subscribe: patterns("grant", "subscribe") },
      denied: { publish: patterns("deny", "publish"), subscribe: patterns("deny", "subscribe") },
    };
  };

  return {
    can(principal, action, topic) {
      let mine = written.get(principal);
      if (!mine) written.set(principal, (mine = writeOut(principal)));
      for (const pattern of mine.denied[action]) if (overlaps(pattern, topic)) return false;
      for (const pattern of mine.granted[action]) if (covers(pattern, topic)) return true;
      return false;
    },
    explain: (principal, action, topic) => explain(rules(principal), { principal, action, topic }),
    rules,
    placed(principal, { transport, remote }) {
      if (!principal.roles.some((name) => conditional.has(name))) return principal;
      return Object.freeze({ ...principal, via: Object.freeze({ transport, remote }) });
    },
  };
}
