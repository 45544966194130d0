/** What ends a command: what stderr is told, and the exit code. Everything else that is thrown is taken for what it is (`exitCodeOf`). */
export class Failure extends Error {
  /** The exit code (sysexits.h). */
  readonly code: number;
  /** Printed as they are, a line each. */
  readonly lines: readonly string[];

  constructor(code: number, lines: readonly string[]) {
    super(lines.join("\n"));
    this.name = "Failure";
    this.code = code;
    this.lines = lines;
  }
}

/** A command line that cannot be understood: 64 (EX_USAGE), one line. */
export function usageFailure(text: string): Failure {
  return new Failure(64, [`busbar: ${text}`]);
}
