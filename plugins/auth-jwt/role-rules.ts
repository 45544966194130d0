import { isId, type Action, type Principal, type Rule } from "@busbar/core";
import { compileConditions, formatConditions, type ConditionTest } from "./condition.ts";
import { isGroupName, type RoleConfig } from "./role-schema.ts";

/** One rule of a role, ready to be held against somebody. */
export interface CompiledRule extends Rule {
  /** Where it holds; undefined = everywhere. */
  readonly test: ConditionTest | undefined;
  /** The same for people; "" = everywhere. */
  readonly where: string;
}

const actions: readonly Action[] = ["publish", "subscribe"];

/** The rules of a role, grants before denials, in the order of the config. */
export function compileRole(role: string, config: RoleConfig): readonly CompiledRule[] {
  const list = (effect: Rule["effect"], action: Action): CompiledRule[] =>
    (effect === "grant" ? config : config.deny)[action].map((entry, index) => {
      const [pattern, own] = typeof entry === "string" ? [entry, undefined] : [entry.topic, entry.when];
      const conditions = effect === "grant" ? [config.when, own] : [own];
      return { role, effect, action, index, pattern, test: compileConditions(conditions), where: formatConditions(conditions) };
    });
  return [...actions.flatMap((action) => list("grant", action)), ...actions.flatMap((action) => list("deny", action))];
}

/** Whether the rule counts for somebody where he is. Of whom it is not known: a grant does not, a denial does. */
export function holds({ test, effect }: CompiledRule, { via }: Principal): boolean {
  return test === undefined || (via === undefined ? effect === "deny" : test(via));
}

/** The patterns of a rule for somebody: of a denial also those for whose credentials he shows, as a narrower id must not escape it. */
export function patternsOf({ pattern, effect }: Pick<CompiledRule, "pattern" | "effect">, principal: Principal): readonly string[] {
  const own = fill(pattern, principal);
  return effect === "deny" && principal.holder !== undefined ? [...new Set([...own, ...fill(pattern, principal.holder)])] : own;
}

/**
 * Writes a role's pattern out for one holder: one pattern, or with `{group}` one for each of its groups. An id or group with a wildcard in it would widen the right, so there is none for it.
 */
export function fill(pattern: string, { id, groups }: Pick<Principal, "id" | "groups">): readonly string[] {
  const levels = pattern.split("/");
  if (levels.includes("{id}") && !isId(id)) return [];
  const own = levels.map((level) => (level === "{id}" ? id : level));
  if (!levels.includes("{group}")) return [own.join("/")];
  return groups.filter(isGroupName).map((group) => own.map((level) => (level === "{group}" ? group : level)).join("/"));
}
