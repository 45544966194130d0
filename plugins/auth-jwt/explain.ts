import { covers, overlaps, type Action, type Decision, type Principal, type Rule } from "@busbar/core";
import { holds, patternsOf, type CompiledRule } from "./role-rules.ts";

/** What is asked. */
export interface Question {
  readonly principal: Principal;
  readonly action: Action;
  readonly topic: string;
}

/** Near misses that are told at the most. */
const mostNear = 10;

/** Answers as `can` does, and says why: the first denial that counts, else the first grant, in the order of the roles and of their rules; and what came near. */
export function explain(rules: readonly CompiledRule[], question: Question): Decision {
  const { principal, action, topic } = question;
  const mine = rules.filter((rule) => rule.action === action && holds(rule, principal));
  const find = (effect: Rule["effect"], test: (pattern: string, topic: string) => boolean) =>
    mine.find((rule) => rule.effect === effect && patternsOf(rule, principal).some((pattern) => test(pattern, topic)));
  const denial = find("deny", overlaps);
  const grant = find("grant", covers);
  const near = nearMisses(rules, question);
  if (denial) {
    const part = patternsOf(denial, principal).some((pattern) => covers(pattern, topic)) ? "" : ", which it asks for a part of";
    const known = denial.test === undefined || principal.via !== undefined ? "" : `, as it is not known whether it comes ${denial.where}`;
    return { allowed: false, rule: ruleOf(denial), why: `role "${denial.role}" denies ${denial.pattern}${part}${known}`, near: grant ? [{ rule: ruleOf(grant), why: "grants it, but a denial wins" }, ...near] : near };
  }
  if (grant) return { allowed: true, rule: ruleOf(grant), why: `role "${grant.role}" grants ${grant.pattern}`, near };
  return { allowed: false, why: principal.roles.length === 0 ? "it has no role, and without one nothing is granted" : "no role of its grants all of it", near };
}

function nearMisses(rules: readonly CompiledRule[], question: Question): Decision["near"] {
  const found: { rule: Rule; why: string }[] = [];
  for (const rule of rules) {
    const why = found.length < mostNear ? nearMiss(rule, question) : undefined;
    if (why !== undefined) found.push({ rule: ruleOf(rule), why });
  }
  return found;
}

/** Why a rule that could have decided did not; undefined when it decided, or has nothing to do with it. */
function nearMiss(rule: CompiledRule, { principal, action, topic }: Question): string | undefined {
  const patterns = patternsOf(rule, principal);
  const fits = patterns.some((pattern) => (rule.effect === "grant" ? covers : overlaps)(pattern, topic));
  if (fits && rule.action !== action) return rule.effect === "grant" ? `grants ${rule.action}, not ${action}` : undefined;
  if (rule.action !== action) return undefined;
  if (fits && !holds(rule, principal)) return `${rule.effect === "grant" ? "grants" : "denies"} it only ${rule.where}${principal.via === undefined ? ", and it is not known where it comes from" : ""}`;
  if (fits || rule.effect === "deny") return undefined;
  if (patterns.some((pattern) => overlaps(pattern, topic))) return `grants only a part of it: ${patterns.join(", ")}`;
  if (!/\{id\}|\{group\}/.test(rule.pattern) || !covers(anybody(rule.pattern), topic)) return undefined;
  return patterns.length === 0 ? "grants it to members of a group, and it is in none" : `grants it the ${patterns.length === 1 ? "topic" : "topics"} ${patterns.slice(0, 5).join(", ")} only`;
}

/** What the pattern would grant to somebody, whoever that is. */
function anybody(pattern: string): string {
  const levels = pattern.split("/").map((level) => (level === "{id}" || level === "{group}" ? "+" : level));
  return levels.at(-1) === "+" && pattern.endsWith("{id}") ? [...levels.slice(0, -1), "#"].join("/") : levels.join("/");
}

/** Without what only we know of it. */
function ruleOf({ role, effect, action, index, pattern }: CompiledRule): Rule {
  return { role, effect, action, index, pattern };
}
