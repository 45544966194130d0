import type { StepContext, StepMessage } from "@busbar/core";
import type { Alarm } from "./alarm-board.ts";
import type { AlarmChange } from "./alarm-machine.ts";
import type { AlarmLevel } from "./alarm-rule.ts";

/** Who brought a change about, where it was an operator. */
export interface AlarmOperator {
  /** The authenticated id that gave the command. */
  readonly by: string;
  readonly comment: string | undefined;
  /** When, on the gateway's clock. */
  readonly time: number;
}

/** A change of an alarm as it is told. */
export interface AlarmEventOptions {
  readonly change: AlarmChange;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly operator: AlarmOperator | undefined;
  readonly context: StepContext;
  /** The id that takes commands for it. */
  readonly board: string;
}

/**
 * The event of a change, `event/<source>`, qos 1, in the shape of opcua-sim's: `{"event":"alarm","alarm":"temperature/high","state":"raised",…}`, with the alarm's whole id, its condition by ISA-18.2, and where
 * its commands go. Its msgid follows from which change of the alarm it is.
 */
export function createAlarmEvent(alarm: Alarm, { change, time, operator, context, board }: AlarmEventOptions): StepMessage {
  const { id, source, series, rule, machine } = alarm;
  const { state } = machine;
  const unit = series.state.last?.unit;
  const payload = {
    event: "alarm",
    alarm: `${series.tag}/${rule.level}`,
    state: change,
    id,
    condition: machine.condition,
    active: state.active,
    tag: series.tag,
    level: rule.level,
    value: series.state.last?.value ?? null,
    limit: rule.limit,
    ...(unit === undefined ? {} : { unit }),
    severity: rule.severity,
    message: alarmMessage(alarm, change),
    ...(state.chattering ? { chattering: true } : {}),
    ...(state.shelved ? { until: state.shelved.until } : {}),
    ...(operator === undefined ? {} : { by: operator.by }),
    ...(operator?.comment === undefined ? {} : { comment: operator.comment }),
    commands: board,
  };
  return { type: "event", from: source, to: "server", topic: `event/${source}`, payload, timestamp: time, qos: 1, retain: false, msgid: context.msgid(id, alarm.told, time) };
}

const names: Readonly<Record<AlarmLevel, string>> = { lowLow: "lowLow", low: "low", high: "high", highHigh: "highHigh", state: "state", bad: "quality" };

/** The text for the operator. */
export function alarmMessage({ id, series, rule }: Alarm, change: AlarmChange): string {
  const { value, unit, code } = series.state.last ?? { value: null };
  const shown = typeof value === "object" ? JSON.stringify(value) : String(value);
  if (rule.message !== undefined) {
    const words: Readonly<Record<string, string>> = { id, tag: series.tag, level: rule.level, value: shown, limit: String(rule.limit), unit: unit ?? "" };
    return rule.message.replace(/\{(id|tag|level|value|limit|unit)\}/g, (_whole, name: string) => words[name]!).trim();
  }
  const is = rule.level === "bad" ? `quality is ${series.state.last?.quality ?? "unknown"}${code === undefined ? "" : ` (${code})`}` : `is ${shown}${unit === undefined ? "" : ` ${unit}`}`;
  const limited = rule.level !== "bad" && rule.level !== "state";
  const what = change === "raised" ? (limited ? ` at ${rule.limit}` : "") : ` ${change}${limited ? `, limit ${rule.limit}` : ""}`;
  return `${series.tag} ${is}: ${names[rule.level]} alarm${what}`;
}
