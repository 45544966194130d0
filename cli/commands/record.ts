import process from "node:process";
import { isPattern, systemClock } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { defineCommand } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { createRecording } from "../recording/recording-file.ts";
import { record } from "../recording/recorder.ts";
import { parseRedactPaths, type RedactPaths } from "../recording/redact.ts";
import { complain, oneLine } from "../terminal.ts";

/** `busbar record`: what passes through a running gateway, kept to be played again. */
export default defineCommand({
  description:
    "Records the messages whose topic matches a pattern, with their times, until it is interrupted: JSON lines on stdout or in a file, for busbar replay. Secrets (fields called password, token, secret and the like, tokens and keys by their look) are left out.",
  positionals: ["pattern"],
  options: {
    out: { kind: "text", value: "file", text: "write to this file, which must not exist; gzipped where it ends in .gz (default: stdout)" },
    since: { kind: "number", value: "offset", min: 0, max: Number.MAX_SAFE_INTEGER, whole: true, text: "first record what the journal holds after this offset" },
    count: { kind: "number", value: "n", min: 1, max: Number.MAX_SAFE_INTEGER, whole: true, text: "end after so many messages" },
    duration: { kind: "duration", min: 100, max: 30 * 86_400_000, text: "end after so long" },
    redact: { kind: "text", value: "path,…", text: "fields of payloads to leave out besides, such as door.code,users.*.name" },
    ...accessOptions,
  },
  examples: [
    ["busbar record 'status/#' > monday.jsonl", "record until Ctrl-C"],
    ["busbar record '#' --out shift.jsonl.gz --duration 8h --since 0", "the journal so far, then eight hours"],
  ],
  async run({ positionals, options }) {
    const [pattern = ""] = positionals;
    if (!isPattern(pattern)) throw usageFailure(`record: "${oneLine(pattern)}" is no topic pattern, such as status/# or event/+/door`);
    const redact = readRedactPaths(options.redact);
    const { since, out, count = Number.POSITIVE_INFINITY, duration } = options;
    const access = await openAccess(options, { roles: ["admin"], ttl: 86_400, user: true, protocol: "ws" });
    const stop = new AbortController();
    const interrupt = (): void => stop.abort();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, interrupt);
    const cancel = duration === undefined ? () => {} : systemClock.after(duration, interrupt);
    const recording = await createRecording(out, { busbar: "recording", version: 1, started: systemClock.now(), pattern, source: access.url.host });
    let messages = 0;
    let gaps = 0;
    try {
      await record({
        access, pattern, since, redact,
        clock: systemClock,
        signal: stop.signal,
        started: () => complain(`recording ${pattern} from ${access.url.host}`),
        warn: (text) => complain(`busbar record: ${oneLine(text)}`),
        async take(line) {
          if ("gap" in line) gaps++;
          else messages++;
          await recording.write(line);
          if (messages >= count) stop.abort();
        },
      });
    } finally {
      cancel();
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, interrupt);
      await recording.close();
    }
    complain(`recorded ${messages} messages${gaps === 0 ? "" : `, with ${gaps} gaps`}${out === undefined ? "" : ` to ${out}`}`);
    return 0;
  },
});

function readRedactPaths(text: string | undefined): RedactPaths {
  if (text === undefined) return [];
  try {
    return parseRedactPaths(text);
  } catch (error) {
    throw usageFailure(`record: --redact: ${oneLine((error as Error).message)}`);
  }
}
