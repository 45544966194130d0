import type { AlarmSpec, TagValue } from "./plant.ts";
import type { Tag } from "./compiled-plant.ts";
import { valueOf } from "./compiled-plant.ts";

/** Which limit of a tag is passed; `state` is a bool in the state that is watched for. */
export type AlarmLevel = "highHigh" | "high" | "low" | "lowLow" | "state";

/** An alarm that begins (`raised`) or ends (`cleared`). A tag is in at most one level at a time: going from `high` to `highHigh` clears one and raises the other. */
export interface AlarmEvent {
  readonly tag: Tag;
  readonly level: AlarmLevel;
  readonly state: "raised" | "cleared";
  /** The value that brought it about. */
  readonly value: TagValue;
  /** The limit that is passed, in the tag's unit; for `state`, the state. */
  readonly limit: TagValue;
  /** 1-1,000, the scale of OPC 10000-5 §6.4.2. */
  readonly severity: number;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
}

const severities: Readonly<Record<AlarmLevel, number>> = { highHigh: 800, high: 500, low: 500, lowLow: 800, state: 600 };

/** How grave a level is, 1-1,000 on the scale of OPC 10000-5 §6.4.2. */
export function severityOf(level: AlarmLevel): number {
  return severities[level];
}

/**
 * The level that a value is in, given the level it was in before: a level begins at its limit and ends when the value is back by more
 * than the hysteresis.
 */
export function alarmLevel(alarm: AlarmSpec, value: number, before: AlarmLevel | undefined): AlarmLevel | undefined {
  const { hysteresis } = alarm;
  const above = (limit: number | undefined, held: boolean): boolean => limit !== undefined && value >= limit - (held ? hysteresis : 0);
  const below = (limit: number | undefined, held: boolean): boolean => limit !== undefined && value <= limit + (held ? hysteresis : 0);
  if (alarm.when !== undefined) return (value !== 0) === alarm.when ? "state" : undefined;
  if (above(alarm.highHigh, before === "highHigh")) return "highHigh";
  if (above(alarm.high, before === "high" || before === "highHigh")) return "high";
  if (below(alarm.lowLow, before === "lowLow")) return "lowLow";
  if (below(alarm.low, before === "low" || before === "lowLow")) return "low";
  return undefined;
}

/** The event that says that `tag` has entered or left `level`. */
export function createAlarmEvent(tag: Tag, level: AlarmLevel, at: { readonly state: AlarmEvent["state"]; readonly number: number; readonly timestamp: number }): AlarmEvent {
  const limit = level === "state" ? tag.alarm?.when : tag.alarm?.[level];
  return { tag, level, state: at.state, value: valueOf(tag, at.number), limit: limit ?? false, severity: severities[level], timestamp: at.timestamp };
}
