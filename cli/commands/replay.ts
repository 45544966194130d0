import process from "node:process";
import { createStderrLog, gatewayTypes, isId, isPattern, matches, systemClock, topicOf, type Encryption, type Envelope } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { defineCommand } from "../command.ts";
import { readConfig } from "../config-file.ts";
import { usageFailure } from "../failure.ts";
import { openConfigTarget } from "../recording/config-target.ts";
import { createGatewayTarget } from "../recording/gateway-target.ts";
import { isBefore, parseMoment, type Moment } from "../recording/moment.ts";
import { compareOutcome } from "../recording/outcome-comparison.ts";
import { paced } from "../recording/pace.ts";
import { createRecording, readRecording, timeOf, type RecordedMessage, type RecordingWriter } from "../recording/recording-file.ts";
import { findJournalKeys } from "../recording/journal-keys.ts";
import { readJournal } from "../recording/recorded-journal.ts";
import { redactPayload } from "../recording/redact.ts";
import type { ReplayOutcome, ReplayTarget } from "../recording/replay-target.ts";
import { complain, oneLine, print } from "../terminal.ts";

/** `busbar replay`: a recording, or a journal, played again. */
export default defineCommand({
  description:
    "Plays a recording, or the journal of a gateway, with its original timing: into a running gateway, into a config that is run just for that (--run), or into another recording (--out). Each sender of the recording has to be somebody the token may speak for. Commands are left out unless --commands says otherwise: they may move machines.",
  positionals: ["file?"],
  options: {
    journal: { kind: "text", value: "file", text: "play a journal of storage-sqlite, such as data/busbar.db, instead of a recording; the file is only read. Encrypted fields are read with the keys of the config (--config, or busbar.yaml where it names that file)" },
    run: { kind: "text", value: "config", text: "run this config without its storage, on free ports, and play into it; prints what came out" },
    out: { kind: "text", value: "file", text: "write a recording instead of sending; with --run: of what came out" },
    expect: { kind: "text", value: "file", text: "with --run: end with 1 unless what came out is what this recording holds, by topic and payload" },
    without: { kind: "text", value: "id,…", text: "with --run: instances to leave out, such as what sends to other systems" },
    settle: { kind: "duration", min: 10, max: 3_600_000, text: "with --run: everything has come out when nothing came for so long", fallback: "500ms" },
    speed: { kind: "text", value: "0.1..100|max", text: "times as fast as it happened; max = without pauses", fallback: "1" },
    rate: { kind: "number", value: "n", min: 0.001, max: 10_000_000, text: "messages a second at the most" },
    from: { kind: "text", value: "moment", text: "begin at #<offset>, +<duration> after the first message, or a date such as 2026-11-21T08:00Z" },
    until: { kind: "text", value: "moment", text: "end before that" },
    only: { kind: "text", value: "pattern", text: "topics to play", fallback: "#" },
    commands: { kind: "flag", text: "play commands, too" },
    below: { kind: "text", value: "id", text: "say everything as <id>/<sender>, for a token that speaks for that id" },
    "keep-msgid": { kind: "flag", text: "keep each msgid: a gateway that has seen it acknowledges it again and does nothing" },
    now: { kind: "flag", text: "give each message the time at which it is played" },
    "dry-run": { kind: "flag", text: "send nothing, say what would be sent" },
    json: { kind: "flag", text: "print the summary as one line of JSON" },
    ...accessOptions,
  },
  examples: [
    ["busbar replay monday.jsonl --speed 10", "ten times as fast, into the gateway of ./busbar.yaml"],
    ["busbar replay --journal data/busbar.db --from 2026-11-21T08:00Z --only 'status/#' --run test.yaml --speed max", "try a config on what happened today"],
    ["busbar replay monday.jsonl --run test.yaml --expect alarms.jsonl --speed max", "a regression test of a config"],
  ],
  async run({ positionals, options }) {
    const plan = readPlan(positionals[0], options);
    const stop = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
    const came: RecordedMessage[] = [];
    const target = await openTarget(options, came);
    const statistics = { first: 0, last: 0, skipped: 0, late: [] as number[], topics: new Map<string, number>() };
    const chosen = choose(source(plan, plan.journal === undefined ? undefined : await findJournalKeys(plan.journal, options.config)), plan, statistics);
    const speed = options["dry-run"] || (options.out !== undefined && options.run === undefined) ? Number.POSITIVE_INFINITY : plan.speed;
    const run = Math.floor(systemClock.now() / 1000).toString(36);
    let number = 0;
    for await (const message of paced(chosen, { clock: systemClock, speed, rate: options.rate ?? Number.POSITIVE_INFINITY, signal: stop.signal }, (ms) => speed !== Number.POSITIVE_INFINITY && statistics.late.push(ms))) {
      const sender = options.below === undefined ? message.from : `${options.below}/${message.from}`;
      const { expires: _expires, ...rest } = message; // its deadline lies in the past
      await target.send({ ...rest, from: sender, ...(options["keep-msgid"] ? {} : { msgid: `r${run}-${++number}` }), ...(options.now ? { timestamp: systemClock.now() } : {}) });
    }
    const outcome = await target.finish();
    const differences = options.expect === undefined ? [] : compareOutcome(came, await all(readRecording(options.expect, warn)));
    report(outcome, statistics, { differences, came, json: options.json, shows: options.run !== undefined });
    if (differences.length > 0) return 1;
    return outcome.refused.size > 0 ? 65 : 0;
  },
});

const warn = (text: string): void => complain(`busbar replay: ${oneLine(text)}`);

interface Plan {
  readonly file: string | undefined;
  readonly journal: string | undefined;
  readonly speed: number;
  readonly from: Moment | undefined;
  readonly until: Moment | undefined;
  readonly only: string;
  readonly commands: boolean;
}

interface PlanOptions {
  readonly journal: string | undefined;
  readonly run: string | undefined;
  readonly out: string | undefined;
  readonly expect: string | undefined;
  readonly speed: string;
  readonly from: string | undefined;
  readonly until: string | undefined;
  readonly only: string;
  readonly below: string | undefined;
  readonly commands: boolean;
}

function readPlan(file: string | undefined, options: PlanOptions): Plan {
  const { journal, speed, only, below, commands } = options;
  if ((file === undefined) === (journal === undefined)) throw usageFailure("replay: name a recording, or a journal with --journal");
  if (options.expect !== undefined && options.run === undefined) throw usageFailure("replay: --expect needs --run");
  if (!isPattern(only)) throw usageFailure(`replay: --only "${oneLine(only)}" is no topic pattern`);
  if (below !== undefined && !isId(below)) throw usageFailure(`replay: --below "${oneLine(below)}" is no id`);
  const times = speed === "max" ? Number.POSITIVE_INFINITY : Number(speed);
  if (Number.isNaN(times) || times < 0.1 || (times > 100 && speed !== "max")) throw usageFailure(`replay: --speed "${oneLine(speed)}" must be 0.1 to 100, or max`);
  return { file, journal, speed: times, from: readMoment("from", options.from), until: readMoment("until", options.until), only, commands };
}

function readMoment(name: string, text: string | undefined): Moment | undefined {
  const moment = text === undefined ? undefined : parseMoment(text);
  if (text !== undefined && moment === undefined) throw usageFailure(`replay: --${name} "${oneLine(text)}" must be such as #1234, +90s or 2026-11-21T08:00:00Z`);
  return moment;
}

function source({ file, journal, only, from }: Plan, encryption: Encryption | undefined): AsyncIterable<RecordedMessage> {
  if (journal !== undefined) return readJournal(journal, { pattern: only, from, encryption, warn });
  return readRecording(file!, warn);
}

interface Statistics {
  first: number;
  last: number;
  skipped: number;
  readonly late: number[];
  readonly topics: Map<string, number>;
}

/** What is to be played: not what a gateway notes about itself. */
async function* choose(messages: AsyncIterable<RecordedMessage>, { from, until, only, commands }: Plan, statistics: Statistics): AsyncGenerator<RecordedMessage> {
  let first: number | undefined;
  for await (const message of messages) {
    const { type } = message;
    first ??= timeOf(message);
    if (from && isBefore(message, from, first)) continue;
    if (until && !isBefore(message, until, first)) return;
    const topic = topicOf(type, message.from, message.to);
    if (!matches(only, topic) || gatewayTypes.has(type)) continue;
    if ((type === "command" || type === "ack") && !commands) {
      statistics.skipped++;
      continue;
    }
    statistics.first ||= timeOf(message);
    statistics.last = timeOf(message);
    statistics.topics.set(topic, (statistics.topics.get(topic) ?? 0) + 1);
    yield message;
  }
}

/** Where it is played into; what comes out of a config goes to `came`. */
async function openTarget(options: { readonly run: string | undefined; readonly out: string | undefined; readonly without: string | undefined; readonly settle: number; readonly "dry-run": boolean } & Parameters<typeof openAccess>[0], came: RecordedMessage[]): Promise<ReplayTarget> {
  const { run, out } = options;
  if (options["dry-run"]) return countingTarget(undefined);
  if (run === undefined) {
    if (out !== undefined) return countingTarget(await createRecording(out, { busbar: "recording", version: 1, started: systemClock.now(), pattern: "#", source: "replay" }));
    return createGatewayTarget(await openAccess(options, { roles: ["admin"], ttl: 86_400, user: true, protocol: "ws" }));
  }
  const recording = out === undefined ? undefined : await createRecording(out, { busbar: "recording", version: 1, started: systemClock.now(), pattern: "#", source: run });
  const config = await readConfig(run);
  const heard = (message: Envelope, received: number): void => {
    const { msgid, timestamp, from, to, type, payload, qos, retain } = message;
    came.push({ msgid, timestamp, from, to, type, payload, qos, retain, received });
  };
  const target = await openConfigTarget(config, { log: createStderrLog("warn"), without: options.without?.split(",") ?? [], settle: options.settle, heard });
  complain(`running ${run} with ${target.runs.join(", ")}`);
  return {
    send: (message) => target.send(message),
    async finish() {
      const outcome = await target.finish();
      if (recording) for (const message of came) await recording.write({ ...message, payload: redactPayload(message.payload) });
      await recording?.close();
      return outcome;
    },
  };
}

/** Sends nothing: counts, and writes down where there is a recording. */
function countingTarget(recording: RecordingWriter | undefined): ReplayTarget {
  let sent = 0;
  return {
    async send(message) {
      sent++;
      await recording?.write({ ...message, payload: redactPayload(message.payload) });
    },
    async finish(): Promise<ReplayOutcome> {
      await recording?.close();
      return { sent, acknowledged: 0, refused: new Map() };
    },
  };
}

function report(outcome: ReplayOutcome, statistics: Statistics, { differences, came, json, shows }: { readonly differences: readonly string[]; readonly came: readonly RecordedMessage[]; readonly json: boolean; readonly shows: boolean }): void {
  const { sent, acknowledged, refused } = outcome;
  const late = percentile(statistics.late, 0.99);
  const out = new Map<string, number>();
  for (const { type, from, to } of came) out.set(topicOf(type, from, to), (out.get(topicOf(type, from, to)) ?? 0) + 1);
  if (json) {
    print(JSON.stringify({ sent, acknowledged, refused: Object.fromEntries(refused), skipped: statistics.skipped, topics: Object.fromEntries(statistics.topics), first: statistics.first, last: statistics.last, lateP99: late === undefined ? undefined : Math.round(late), ...(shows ? { out: Object.fromEntries(out), differences } : {}) }));
    return;
  }
  const span = ((statistics.last - statistics.first) / 1000).toFixed(1);
  const parts = [`${sent} messages of ${span} s`, `${statistics.topics.size} topics`, ...(acknowledged > 0 ? [`${acknowledged} acknowledged`] : []), ...[...refused].map(([code, count]) => `${count} refused (${code})`), ...(statistics.skipped > 0 ? [`${statistics.skipped} commands left out`] : []), ...(late === undefined ? [] : [`p99 ${Math.round(late)} ms late`])];
  print(`played ${parts.join(", ")}`);
  if (shows) for (const [topic, count] of [...out].sort()) print(`out  ${String(count).padStart(7)}  ${topic}`);
  for (const line of differences) print(`differs  ${oneLine(line)}`);
}

function percentile(values: readonly number[], part: number): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];
}

async function all(messages: AsyncIterable<RecordedMessage>): Promise<readonly RecordedMessage[]> {
  const found: RecordedMessage[] = [];
  for await (const message of messages) found.push(message);
  return found;
}
