import { inspect } from "node:util";

/** Lines of a failure that are printed; the middle of a longer one is left out. */
const printedLines = 120;
/** Causes that are followed: an error may be its own cause. */
const depth = 16;
/** How each cause begins, on both runtimes: Deno writes it like that itself. */
const link = "Caused by: ";

/** The text of what a test threw: the error with its stack and fields, then each cause of it in the same way, and the parts of an AggregateError. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let at = error;
  do parts.push(describeOne(at));
  while ((at = at instanceof Error ? at.cause : undefined) !== undefined && parts.length < depth);
  return parts.join(`\n${link}`);
}

/** One error without its causes. An assertion's text says what differs; its fields would say it all again. */
function describeOne(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error);
  const stack = error.stack ?? String(error);
  const parts = Array.isArray((error as AggregateError).errors) ? (error as AggregateError).errors.map((one: unknown) => `\n${indent(describeError(one), "    ")}`) : [];
  const fields = (error as NodeJS.ErrnoException).code === "ERR_ASSERTION" ? [] : Object.entries(error).filter(([name]) => !["stack", "message", "cause", "errors"].includes(name));
  return `${stack}${fields.length > 0 ? ` ${inspect(Object.fromEntries(fields))}` : ""}${parts.join("")}`;
}

/**
 * A failure as it is printed: in front of a text with causes stands a line that names the error and all of them, so that whoever keeps only the beginning of a log has the one
 * that matters; of a very long text the beginning and the end.
 */
export function printFailure(text: string): string {
  const lines = text.trimEnd().split("\n");
  const causes = lines.filter((line) => line.startsWith(link)).map((line) => line.slice(link.length));
  const shown = lines.length <= printedLines ? lines : [...lines.slice(0, printedLines / 2), `… ${lines.length - printedLines} lines …`, ...lines.slice(-printedLines / 2)];
  return [...(causes.length > 0 ? [[lines[0], ...causes].join(" ← ")] : []), ...shown].join("\n");
}

/** The text with `by` in front of each line. */
export function indent(text: string, by: string): string {
  return text.split("\n").map((line) => by + line).join("\n");
}
