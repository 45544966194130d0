import { duration } from "@busbar/core";
import * as v from "valibot";
import { type AlarmCommand, type AlarmVerb, commandAlarms } from "./alarm-commands.ts";
import type { Alarms } from "./alarms.ts";
import { CommandError } from "./command-error.ts";
import { callMethod, type MethodTarget } from "./methods.ts";
import type { ServerView } from "./server-view.ts";
import { type WriteOptions, writeTags } from "./writes.ts";

/** A command to a device behind an OPC UA server, checked. */
export type OpcuaCommand =
  | { readonly kind: "set"; readonly set: Readonly<Record<string, unknown>> }
  | { readonly kind: "call"; readonly call: string; readonly given: unknown }
  | { readonly kind: "alarm"; readonly command: AlarmCommand };

/** What a command works on. */
export interface CommandTarget {
  readonly view: ServerView;
  /** The node of a tag of the device. */
  readonly nodeOf: WriteOptions["nodeOf"];
  /** A method of the device, by the name that the config gives it. */
  readonly methodOf: (name: string) => MethodTarget | undefined;
  /** Undefined where no events are subscribed to. */
  readonly alarms: Alarms | undefined;
  readonly signal: AbortSignal;
}

const verbs: readonly AlarmVerb[] = ["acknowledge", "confirm", "addComment", "shelve", "unshelve"];
const text = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));
const alarmNames = v.optional(v.union([text(4096), v.pipe(v.array(text(4096)), v.minLength(1), v.maxLength(1_000))], "must be the name of an alarm, such as press-1/temperature, or a list of them"));
const commandSchema = v.strictObject({
  set: v.optional(v.record(v.string(), v.unknown())),
  call: v.optional(text(256)),
  arguments: v.optional(v.union([v.array(v.unknown()), v.record(v.string(), v.unknown())], "must be an object or an array")),
  ...({ acknowledge: alarmNames, confirm: alarmNames, addComment: alarmNames, shelve: alarmNames, unshelve: alarmNames } satisfies Record<AlarmVerb, unknown>),
  comment: v.optional(v.pipe(v.string(), v.maxLength(1_000))),
  eventId: v.optional(v.pipe(v.string(), v.base64(), v.maxLength(1_000))),
  for: v.optional(duration(1_000)),
  once: v.optional(v.boolean(), false),
});
/** What may stand beside a verb. */
const companions: Readonly<Record<string, readonly string[]>> = {
  set: [], call: ["arguments"], acknowledge: ["comment", "eventId"], confirm: ["comment", "eventId"], addComment: ["comment", "eventId"], shelve: ["for", "once"], unshelve: [],
};

/**
 * Reads the payload of a command: `{"set":{"<tag>":<value>}}`, `{"call":"<method>","arguments":{…}|[…]}`, `{"acknowledge":"<alarm>","comment":"…"}`, and likewise `confirm` and `addComment`, `{"shelve":"<alarm>","for":"30m"}` or
 * `"once":true`, `{"unshelve":"<alarm>"}`. Alarms go by name or condition id, one or a list of them; `eventId` says which event of it is meant.
 * @throws {CommandError} BAD_COMMAND saying what is wrong.
 */
export function parseCommand(payload: unknown): OpcuaCommand {
  const bad = (problem: string): CommandError => new CommandError("BAD_COMMAND", `Cannot understand the command: ${problem}`);
  const parsed = v.safeParse(commandSchema, payload);
  if (!parsed.success) throw bad(parsed.issues.slice(0, 3).map((issue) => `${v.getDotPath(issue) ?? "it"}: ${issue.message}`).join("; "));
  const command = parsed.output;
  const given = Object.keys(payload as object);
  const heads = given.filter((key) => key in companions);
  const [head] = heads;
  if (head === undefined || heads.length > 1) throw bad(`it must say one of ${Object.keys(companions).join(", ")}, not ${head === undefined ? "none" : heads.join(" and ")}`);
  const stray = given.find((key) => key !== head && !companions[head]!.includes(key));
  if (stray !== undefined) throw bad(`"${stray}" does not go with ${head}`);
  if (command.set !== undefined) return { kind: "set", set: command.set };
  if (command.call !== undefined) return { kind: "call", call: command.call, given: command.arguments ?? {} };
  const verb = verbs.find((name) => name === head)!;
  if (verb === "shelve" && (command.for === undefined) !== command.once) throw bad('shelve says how long: either "for": "30m", or "once": true');
  if (verb === "addComment" && command.comment === undefined) throw bad('addComment needs a "comment"');
  const alarms = command[verb]!;
  return { kind: "alarm", command: { verb, alarms: typeof alarms === "string" ? [alarms] : alarms, comment: command.comment ?? "", eventId: command.eventId, for: command.for } };
}

/**
 * Carries out a command. Whether writes are allowed is asked before.
 * @returns what an `ack` gives as the result: the tags as they are now, the outputs of a method, or the alarms that were commanded.
 * @throws {CommandError} saying why not.
 */
export async function carryOut(command: OpcuaCommand, { view, nodeOf, methodOf, alarms, signal }: CommandTarget): Promise<unknown> {
  if (command.kind === "set") return await writeTags(view, command.set, { nodeOf, signal });
  if (command.kind === "alarm") {
    if (alarms === undefined) throw new CommandError("NO_SUCH_ALARM", `Cannot ${command.command.verb}: no events are subscribed to`);
    return await commandAlarms(view, command.command, { alarms, signal });
  }
  const method = methodOf(command.call);
  if (method === undefined) throw new CommandError("NO_SUCH_METHOD", `Cannot call ${JSON.stringify(command.call)}: the config names no such method of this device, or the server does not have its node`);
  return await callMethod(view, method, { given: command.given, signal });
}
