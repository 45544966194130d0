import type { Secrets } from "./secrets.ts";

/** What a gateway has printed, looked through as it comes. */
export class GatewayOutput {
  stdout = "";
  stderr = "";
  readonly #secrets: Secrets;
  #looked = 0;

  constructor(secrets: Secrets) {
    this.#secrets = secrets;
  }

  readonly hear = (text: string, stream: "stdout" | "stderr"): void => {
    this[stream] += text;
  };

  /** Whole lines of the log. */
  get lines(): readonly string[] {
    return this.stderr.split("\n").slice(0, -1);
  }

  /** The problems of what has been printed since the last time: secrets, lines that are no log line, and errors. */
  problems(): readonly string[] {
    const from = Math.max(0, this.#looked);
    const end = this.stderr.lastIndexOf("\n") + 1;
    const fresh = this.stderr.slice(from, end);
    this.#looked = end;
    const leaked = this.#secrets.foundIn(fresh).map((name) => `the log shows ${name}`);
    const lines = fresh.split("\n").filter(Boolean).flatMap(problemOf);
    return [...leaked, ...this.#secrets.foundIn(this.stdout).map((name) => `standard output shows ${name}`), ...lines];
  }
}

/** A line of the log is one JSON object without control characters, with the fields that every line has; attackers cause no errors. */
function problemOf(line: string): readonly string[] {
  let record: { readonly time?: unknown; readonly level?: unknown; readonly message?: unknown };
  try {
    record = JSON.parse(line) as typeof record;
  } catch {
    return [`no line of the log: ${line.slice(0, 300)}`];
  }
  if (/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f]/.test(line)) return [`control characters in the log: ${JSON.stringify(line.slice(0, 300))}`];
  if (typeof record.time !== "string" || typeof record.message !== "string") return [`no line of ours: ${line.slice(0, 300)}`];
  return record.level === "error" ? [`an error: ${line.slice(0, 1000)}`] : [];
}
