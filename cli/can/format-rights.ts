import { fillPattern, ruleHolds, type CompiledRule } from "@busbar/auth-jwt";
import type { Decision, Principal, Rule } from "@busbar/core";
import { formatTable, oneLine, paint } from "../terminal.ts";

/** Where the rules stand. */
export interface RightsSource {
  /** The config, as it was named. */
  readonly file: string;
  /** The id of the auth-jwt section. */
  readonly instance: string;
  /** Where something stands in it; absent where that is not known. */
  readonly place?: ((path: readonly (string | number)[]) => { readonly line: number; readonly column: number }) | undefined;
}

/** `file:line:column` of a rule, or the file alone. */
function placeText({ role, effect, action, index }: Rule, { file, instance, place }: RightsSource): string {
  const { line, column } = placeOf({ role, effect, action, index }, { instance, place });
  return line > 0 ? `${file}:${line}:${column}` : file;
}

function placeOf({ role, effect, action, index }: Omit<Rule, "pattern">, { instance, place }: Pick<RightsSource, "instance" | "place">): { readonly line: number; readonly column: number } {
  return place?.(["plugins", instance, "roles", role, ...(effect === "deny" ? ["deny"] : []), action, index]) ?? { line: 0, column: 0 };
}

const who = ({ id, roles, groups, via }: Principal): string =>
  `${id}: ${roles.length === 0 ? "no role" : `role ${roles.join(", ")}`}${groups.length === 0 ? "" : `; group ${groups.join(", ")}`}${via ? `; over ${via.transport} from ${via.remote}` : ""}`;

const ruleText = ({ role, effect, action, pattern }: Rule): string => `${effect === "deny" ? "denial" : "grant"} ${action} ${pattern} of role ${role}`;

/** The decision for a terminal: what is decided and why, the rule and its line, and what came near. */
export function formatDecision({ allowed, rule, why, near }: Decision, { principal, source }: { readonly principal: Principal; readonly source: RightsSource }): string {
  const lines = [`${allowed ? paint("green", "allowed") : paint("red", "refused")}: ${why}${rule ? ` (${placeText(rule, source)})` : ""}`, `  ${paint("dim", who(principal))}`];
  for (const one of near) lines.push(`  near: ${ruleText(one.rule)} (${placeText(one.rule, source)}): ${one.why}`);
  return lines.map(oneLineBut).join("\n");
}

/** Keeps the colours that we put in; what a config says cannot steer the terminal, as ids and patterns are checked. */
const oneLineBut = (line: string): string => line.replace(/[\u0000-\u001a\u001c-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");

/** The decision for a program. */
export function toDecisionJson({ allowed, rule, why, near }: Decision, source: RightsSource): Record<string, unknown> {
  const json = (one: Rule): Record<string, unknown> => ({ ...one, file: source.file, ...placeOf(one, source) });
  return { allowed, why, ...(rule ? { rule: json(rule) } : {}), near: near.map((one) => ({ ...json(one.rule), why: one.why })) };
}

/** Everything that somebody may do and may not, as a table: the patterns written out for him, and which of the rules do not count where he is. */
export function formatRights(principal: Principal, rules: readonly CompiledRule[], source: RightsSource): string {
  const rows = rules.map((rule) => {
    const patterns = fillPattern(rule.pattern, principal).join(", ");
    return [rule.effect, rule.action, patterns === "" ? `${rule.pattern}: it is in no group` : patterns, rule.role, placeText(rule, source), note(rule, principal)];
  });
  const letterBox = ["grant", "subscribe", `command/${principal.id}/#, ack/${principal.id}/#`, "-", "everybody's own letter box", ""];
  return [oneLine(who(principal)), formatTable([...rows, letterBox], "  ")].join("\n");
}

function note(rule: CompiledRule, principal: Principal): string {
  if (rule.test === undefined) return "";
  return `only ${rule.where}${principal.via === undefined ? "" : ruleHolds(rule, principal) ? ": here, too" : ": not here"}`;
}

/** The same for a program. */
export function toRightsJson(principal: Principal, rules: readonly CompiledRule[], source: RightsSource): Record<string, unknown> {
  return {
    id: principal.id, roles: principal.roles, groups: principal.groups,
    rules: rules.map((rule) => ({
      role: rule.role, effect: rule.effect, action: rule.action, index: rule.index, pattern: rule.pattern, topics: fillPattern(rule.pattern, principal),
      ...(rule.where === "" ? {} : { where: rule.where }), counts: ruleHolds(rule, principal), file: source.file, ...placeOf(rule, source),
    })),
  };
}
