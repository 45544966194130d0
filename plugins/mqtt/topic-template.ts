import { matches } from "@busbar/core";

/** What may stand in the topic of an `out` entry, in braces. */
export const outgoingPlaceholders: readonly string[] = ["topic", "type", "id", "from", "to"];

/** What may stand in `from` and `to` of an `in` entry, in braces, besides the numbers of wildcards. */
export const incomingPlaceholders: readonly string[] = ["topic", "from", "1"];

const placeholder = /\{([a-z]+|[1-9][0-9]?)\}/g;

/** What is wrong with a template, or undefined. `known` names its placeholders; "1" stands for any number. */
export function templateProblem(text: string, known: readonly string[]): string | undefined {
  const numbers = known.includes("1");
  for (const [all, name] of text.matchAll(placeholder)) {
    if (!known.includes(name!) && !(numbers && /^\d/.test(name!))) return `has the unknown placeholder ${all}; known are ${known.map((one) => (one === "1" ? "{1}, {2}, …" : `{${one}}`)).join(", ")}`;
  }
  const fixed = text.replace(placeholder, "");
  if (/[{}]/.test(fixed)) return "has a brace that belongs to no placeholder";
  if (/[+#\0]/.test(fixed)) return "must not have a wildcard in it";
  return undefined;
}

/** Fills a template in: `value` gives what a placeholder stands for, or undefined where there is none; the result is then undefined too. */
export function fillTemplate(text: string, value: (name: string) => string | undefined): string | undefined {
  let whole = true;
  const filled = text.replace(placeholder, (_all, name: string) => {
    const one = value(name);
    if (one === undefined) whole = false;
    return one ?? "";
  });
  return whole ? filled : undefined;
}

/** Whether `text` is a topic filter (MQTT 5.0 §4.7) to subscribe with: any characters but NUL, wildcards alone in their level, at most 65,535 bytes. */
export function isTopicFilter(text: string): boolean {
  if (text.length === 0 || text.includes("\0") || !text.isWellFormed() || Buffer.byteLength(text) > 65_535) return false;
  const levels = text.split("/");
  return levels.every((level, at) => level === "+" || (level === "#" ? at === levels.length - 1 : !/[+#]/.test(level)));
}

/** What the wildcards of `filter` stand for in `topic`, in order: a level for `+`, the levels that are left for `#`. Undefined when the topic does not match. */
export function wildcards(filter: string, topic: string): readonly string[] | undefined {
  const asked = filter.startsWith("$share/") ? filter.split("/").slice(2).join("/") : filter;
  // MQTT 5.0 §4.7.2: a filter that begins with a wildcard does not match a topic that begins with $
  if (!matches(asked, topic) || (topic.startsWith("$") && !asked.startsWith("$"))) return undefined;
  const levels = topic.split("/");
  return asked.split("/").flatMap((level, at) => (level === "+" ? [levels[at]!] : level === "#" ? [levels.slice(at).join("/")] : []));
}

/** Makes levels of an id (WIRE §1) of a foreign topic: every character that an id may not have becomes `_`. */
export function asIdLevels(topic: string): string {
  return topic
    .split("/")
    .map((level) => (level === "" || level === "." || level === ".." ? "_".repeat(level.length || 1) : level.replace(/[^A-Za-z0-9._:@-]/gu, "_")))
    .join("/");
}
