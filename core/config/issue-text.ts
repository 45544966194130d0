import type * as v from "valibot";

/** What an issue says in the words of a config: what is wrong, and what would be right where that is more than the message says. */
export interface IssueText {
  readonly message: string;
  /** The values that would be right, where there is a closed list of them. */
  readonly allowed?: readonly string[];
}

const typeWords: Readonly<Record<string, string>> = {
  number: "a number",
  bigint: "a number",
  string: "text",
  boolean: "true or false",
  object: "a map",
  Object: "a map",
  Array: "a list",
  null: "nothing",
  undefined: "left out",
  Date: "a date",
  Function: "a function",
};

const rangeWords: readonly (readonly [string, string])[] = [
  [">=", "at least "],
  ["<=", "at most "],
  [">", "more than "],
  ["<", "less than "],
];

/** Says what `issue` is about; `shown` is the value as it may be shown, `missing` whether there is none. */
export function describeIssue(issue: v.BaseIssue<unknown>, shown: string, missing: boolean): IssueText {
  const own = !/^Invalid [\w ]+: (?:Expected|Received) /.test(issue.message);
  const but = missing ? "" : `, not ${shown}`;
  const expected = issue.expected ?? "";
  if (issue.kind === "schema") {
    const members = splitExpected(expected);
    const allowed = members.flatMap((member) => literalOf(member) ?? []);
    if (own) return { message: missing ? `missing; it ${issue.message}` : ending(issue.message, but) };
    if (allowed.length === members.length && allowed.length > 1) return { message: missing ? "missing" : `unknown value ${shown}`, allowed };
    const words = [...new Set(members.map((member) => typeWords[member] ?? member))].join(" or ");
    return { message: missing ? `missing; it must be ${words}` : issue.type === "never" ? "must be left out" : `must be ${words}${but}` };
  }
  if (own) return { message: ending(issue.message, but) };
  if (issue.type === "non_empty") return { message: "must not be empty" };
  const text = validationText(issue, expected) ?? (expected === "" ? undefined : `must be ${expected}`);
  return { message: text === undefined ? `is not allowed: ${shown}` : text + but };
}

/** A message of a schema's own, with the value at its end where the sentence is open for it. */
function ending(message: string, but: string): string {
  return /^must\b/.test(message) ? message + but : message;
}

function validationText(issue: v.BaseIssue<unknown>, expected: string): string | undefined {
  const [, range] = rangeWords.find(([sign]) => expected.startsWith(sign)) ?? [];
  const bound = expected.replace(/^[<>]=?/, "");
  const unit = typeof issue.input === "string" ? (bound === "1" ? " character" : " characters") : bound === "1" ? " item" : " items";
  switch (issue.type) {
    case "min_length":
    case "max_length":
      return `must have ${range}${bound}${unit}`;
    case "length":
      return `must have exactly ${bound}${unit}`;
    case "min_entries":
    case "max_entries":
      return `must have ${range}${bound} entries`;
    case "integer":
    case "safe_integer":
      return "must be a whole number";
    case "finite":
      return "must be a finite number";
    case "regex":
      return `must match ${expected}`;
    case "url":
    case "email":
    case "ip":
    case "ipv4":
    case "ipv6":
    case "uuid":
      return `must be a valid ${issue.type}`;
    default:
      return range === undefined ? undefined : `must be ${range}${bound}`;
  }
}

/** The members of valibot's `expected`, such as `("a" | "b")` or `(string | Object)`. */
function splitExpected(expected: string): readonly string[] {
  const bare = expected.startsWith("(") && expected.endsWith(")") ? expected.slice(1, -1) : expected;
  return bare.match(/"(?:[^"\\]|\\.)*"|[^|\s][^|]*[^|\s]|[^|\s]/g) ?? [bare];
}

function literalOf(member: string): string | undefined {
  if (member.startsWith('"')) return String(JSON.parse(member));
  return /^(?:-?\d[\d.e+-]*|true|false)$/.test(member) ? member : undefined;
}
