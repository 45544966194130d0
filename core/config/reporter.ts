import type { Problem } from "./problem.ts";
import { formatPath, placeAt, type Path, type Place, type SourceNode } from "./source-tree.ts";

/** Collects what is wrong with one file. */
export class Reporter {
  readonly file: string;
  readonly #problems = new Map<string, Problem>();

  constructor(file: string) {
    this.file = file;
  }

  /** Adds a problem; the same one twice counts once. */
  add(place: Place, path: Path, message: string, hint?: string): void {
    const problem = { file: this.file, line: place.line, column: place.column, key: formatPath(path), message, ...(hint === undefined ? {} : { hint }) };
    this.take(problem);
  }

  /** Takes a problem that somebody else found in the same file. */
  take(problem: Problem): void {
    this.#problems.set(JSON.stringify(problem), problem);
  }

  /** Adds a problem with the value at `path`. */
  value(root: SourceNode, path: Path, message: string, hint?: string): void {
    this.add(placeAt(root, path), path, message, hint);
  }

  /** Adds a problem with the key at the end of `path`, or with something that is missing there. */
  key(root: SourceNode, path: Path, message: string, hint?: string): void {
    this.add(placeAt(root, path, "key"), path, message, hint);
  }

  /** Everything so far, in order of place. */
  problems(): readonly Problem[] {
    return [...this.#problems.values()].sort((a, b) => a.line - b.line || a.column - b.column);
  }
}
