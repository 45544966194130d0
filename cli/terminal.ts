import process from "node:process";

/** Writes text to stdout. */
export function print(text: string): void {
  process.stdout.write(text + "\n");
}

/** Writes text to stderr. */
export function complain(text: string): void {
  process.stderr.write(text + "\n");
}

/** `mayColour` of core, without loading core for `--help`. */
function coloured(): boolean {
  return process.stdout.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
}

const codes = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", cyan: "36" } as const;

/** Puts text into a colour where stdout is a terminal. */
export function paint(colour: keyof typeof codes, text: string): string {
  return coloured() && text !== "" ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;
}

/** Rows as lines with their columns below each other, two blanks between them; no blanks at the ends of lines. */
export function formatTable(rows: readonly (readonly string[])[], indent = ""): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)));
  return rows.map((row) => (indent + row.map((cell, at) => cell.padEnd(widths[at]!)).join("  ")).trimEnd()).join("\n");
}

/** Text on one line that cannot steer a terminal: colours go, control characters become blanks. */
export function oneLine(text: string): string {
  return text.replace(/\u001b\[[\d;]*m/g, "").replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
}
