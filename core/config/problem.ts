/** One thing that is wrong with a config. Never holds a secret: interpolated text is shown as its placeholder. */
export interface Problem {
  /** The file, as it was named. */
  readonly file: string;
  /** 1-based; 0 where the place is not known (a config in TypeScript). */
  readonly line: number;
  /** 1-based, in characters; 0 where the place is not known. */
  readonly column: number;
  /** The way to the value from the top, such as `plugins.http.port` or `routes[0].to`; empty for the file as a whole. */
  readonly key: string;
  /** What is wrong. */
  readonly message: string;
  /** What would be right. */
  readonly hint?: string | undefined;
}

/** A problem on one line: `busbar.yaml:6:11 plugins.http.prt: unknown key; did you mean "port"? allowed: port, host`. Control characters are escaped. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, key, message, hint } = problem;
  const place = line > 0 ? `${file}:${line}:${column}` : file;
  const text = `${place}${key === "" ? "" : ` ${key}`}: ${message}${hint === undefined ? "" : `; ${hint}`}`;
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A problem as the plain object that `busbar check --json` prints: `{file, line, column, key, message, hint}`, the last only where there is one. */
export function toProblemJson(problem: Problem): Record<string, string | number> {
  const { file, line, column, key, message, hint } = problem;
  return { file, line, column, key, message, ...(hint === undefined ? {} : { hint }) };
}
