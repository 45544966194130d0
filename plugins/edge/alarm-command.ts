import { duration, matches } from "@busbar/core";
import * as v from "valibot";
import type { Alarm, AlarmBoard } from "./alarm-board.ts";

/** What an operator may do, by the key that a command says it with. */
export type AlarmVerb = "acknowledge" | "reset" | "shelve" | "unshelve" | "outOfService" | "inService";

/** A command to alarms, checked. */
export interface AlarmCommand {
  readonly verb: AlarmVerb;
  /** Ids of alarms, or topic filters over them such as `boiler-1/#`. */
  readonly alarms: readonly string[];
  readonly comment: string | undefined;
  /** Milliseconds, of `shelve`. */
  readonly for: number | undefined;
  /** Of `shelve`: only until the process is back to normal. */
  readonly once: boolean;
}

/** What an `ack` says when a command cannot be carried out: `BAD_COMMAND`, `NO_SUCH_ALARM`, `OUT_OF_RANGE`. */
export class AlarmCommandError extends Error {
  readonly code: "BAD_COMMAND" | "NO_SUCH_ALARM" | "OUT_OF_RANGE";

  constructor(code: AlarmCommandError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

const verbs: readonly AlarmVerb[] = ["acknowledge", "reset", "shelve", "unshelve", "outOfService", "inService"];

const alarmText = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));
const target = v.optional(v.union([alarmText, v.pipe(v.array(alarmText), v.minLength(1), v.maxLength(1000))], "must be the id of an alarm, such as boiler-1/temperature/high, or a list of them"));
const commandSchema = v.strictObject({
  ...({ acknowledge: target, reset: target, shelve: target, unshelve: target, outOfService: target, inService: target } satisfies Record<AlarmVerb, unknown>),
  for: v.optional(duration(1000)),
  once: v.optional(v.boolean(), false),
  comment: v.optional(v.pipe(v.string(), v.maxLength(500))),
});

/**
 * Reads a command: `{"acknowledge":"boiler-1/temperature/high","comment":"…"}`, `{"shelve":"boiler-1/#","for":"30m"}`, `{"shelve":["…"],"once":true}`, and likewise reset, unshelve, outOfService, inService.
 * @throws {AlarmCommandError} BAD_COMMAND saying what is wrong.
 */
export function parseAlarmCommand(payload: unknown): AlarmCommand {
  const parsed = v.safeParse(commandSchema, payload);
  if (!parsed.success) throw new AlarmCommandError("BAD_COMMAND", `Cannot understand the command: ${parsed.issues.slice(0, 3).map((issue) => `${v.getDotPath(issue) ?? "it"}: ${issue.message}`).join("; ")}`);
  const command = parsed.output;
  const given = verbs.filter((verb) => command[verb] !== undefined);
  const [verb] = given;
  if (verb === undefined || given.length > 1) throw new AlarmCommandError("BAD_COMMAND", `Cannot understand the command: it must say one of ${verbs.join(", ")}, not ${given.length === 0 ? "none" : given.join(" and ")}`);
  if (verb !== "shelve" && (command.for !== undefined || command.once)) throw new AlarmCommandError("BAD_COMMAND", `Cannot understand the command: "for" and "once" go with shelve, not with ${verb}`);
  if (verb === "shelve" && command.for === undefined && !command.once) throw new AlarmCommandError("BAD_COMMAND", 'Cannot shelve without end: say how long, such as "for": "30m", or "once": true');
  const alarms = command[verb]!;
  return { verb, alarms: typeof alarms === "string" ? [alarms] : alarms, comment: command.comment, for: command.for, once: command.once };
}

/** What a command works on. */
export interface ObeyAlarmOptions {
  readonly board: AlarmBoard;
  /** Milliseconds since the Unix epoch, on the gateway's clock. */
  readonly now: number;
  /** Milliseconds that an alarm may be shelved for at the most. */
  readonly shelveLimit: number;
}

/**
 * Carries a command out on every alarm it names. Gives those that it changed; one that is as the command wants it already stays so.
 * @throws {AlarmCommandError} NO_SUCH_ALARM where one of its ids fits none that has been seen, OUT_OF_RANGE where it shelves for too long; nothing has then been done.
 */
export function obeyAlarmCommand(command: AlarmCommand, { board, now, shelveLimit }: ObeyAlarmOptions): readonly Alarm[] {
  const { verb } = command;
  if (verb === "shelve" && (command.for ?? 0) > shelveLimit) throw new AlarmCommandError("OUT_OF_RANGE", `Cannot shelve for ${command.for} ms: at most ${shelveLimit} ms are allowed here`);
  const missing = new Set(command.alarms);
  const wanted = [...board.find((id) => {
    let wants = false;
    for (const alarm of command.alarms) {
      if (alarm !== id && !isWild(alarm, id)) continue;
      wants = true;
      missing.delete(alarm);
    }
    return wants;
  })];
  for (const alarm of missing) throw new AlarmCommandError("NO_SUCH_ALARM", `Cannot ${verb} "${alarm}": there is no such alarm, or nothing has been read of its tag yet`);
  return wanted.filter((alarm) => {
    const changed = act(alarm, command, { now, shelveLimit });
    if (changed) board.arm(alarm);
    return changed;
  });
}

const isWild = (pattern: string, id: string): boolean => (pattern.includes("#") || pattern.includes("+")) && matches(pattern, id);

function act({ machine }: Alarm, command: AlarmCommand, { now, shelveLimit }: { readonly now: number; readonly shelveLimit: number }): boolean {
  switch (command.verb) {
    case "acknowledge":
      return machine.acknowledge(now);
    case "reset":
      return machine.reset(now);
    case "shelve":
      machine.shelve(now, { until: now + (command.for ?? shelveLimit), once: command.once });
      return true;
    case "unshelve":
      return machine.unshelve(now);
    case "outOfService":
      return machine.setOutOfService(true, now);
    case "inService":
      return machine.setOutOfService(false, now);
  }
}
