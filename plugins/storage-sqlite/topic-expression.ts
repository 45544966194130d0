/** A topic filter (MQTT 5.0 §4.7) as a regular expression over whole topics, which can be posted to a worker: `a/#` matches `a` too. */
export function topicExpression(pattern: string): RegExp {
  const levels = pattern.split("/").map((level) => (level === "+" ? "[^/]*" : level === "#" ? "#" : level.replace(/[^A-Za-z0-9_]/g, "\\$&")));
  const below = levels.at(-1) === "#";
  if (below) levels.pop();
  if (levels.length === 0) return /^/s;
  return new RegExp(`^${levels.join("/")}${below ? "(?:/|$)" : "$"}`, "s");
}
