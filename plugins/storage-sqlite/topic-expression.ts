import { hiddenTypes } from "@busbar/core";

/** A topic filter (MQTT 5.0 §4.7), or several of which one must fit, as a regular expression over whole topics, which can be posted to a worker: `a/#` matches `a` too. */
export function topicExpression(patterns: string | readonly string[]): RegExp {
  return new RegExp(typeof patterns === "string" ? sourceOf(patterns) : patterns.map(sourceOf).join("|") || "(?!)", "s");
}

function sourceOf(pattern: string): string {
  const levels = pattern.split("/").map((level) => (level === "+" ? "[^/]*" : level === "#" ? "#" : level.replace(/[^A-Za-z0-9_]/g, "\\$&")));
  const below = levels.at(-1) === "#";
  if (below) levels.pop();
  const start = /^[+#]/.test(pattern) ? `^(?!(?:${hiddenTypes.join("|")})(?:/|$))` : "^"; // what is the gateway's own matches only a filter that names it
  if (levels.length === 0) return start;
  return `${start}${levels.join("/")}${below ? "(?:/|$)" : "$"}`;
}

/** The types of all messages that match one of the topic filters, or undefined where these may be any. */
export function typesOf(patterns: string | readonly string[]): readonly string[] | undefined {
  const types = new Set(typeof patterns === "string" ? [typeOf(patterns)] : patterns.map(typeOf));
  return types.has("+") || types.has("#") ? undefined : [...types];
}

const typeOf = (pattern: string): string => pattern.split("/", 1)[0]!;
