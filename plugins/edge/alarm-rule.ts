import { duration, integer } from "@busbar/core";
import * as v from "valibot";

/** What an alarm watches for: a limit that is passed, a value that is `is`, a reading of bad quality. */
export type AlarmLevel = "lowLow" | "low" | "high" | "highHigh" | "state" | "bad";

/** One alarm of a tag, as its config says. Delays in milliseconds. */
export interface AlarmRule {
  readonly level: AlarmLevel;
  /** The limit in the tag's unit; for `state` the value that is an alarm; for `bad` the word "bad". */
  readonly limit: number | boolean | string;
  /** How far a value must come back from its limit to be normal again, in the tag's unit. */
  readonly hysteresis: number;
  /** How long a value must be in alarm before the alarm is raised, and normal before it is cleared. */
  readonly onDelay: number;
  readonly offDelay: number;
  /** 1-1,000, the scale of OPC 10000-5 §6.4.2. */
  readonly severity: number;
  /** Text with `{tag}`, `{level}`, `{value}`, `{limit}`, `{unit}` and `{id}`; undefined: one is made. */
  readonly message: string | undefined;
  /** Whether it must be reset by an operator after the process is normal again. */
  readonly latch: boolean;
  /** Whether it must be acknowledged by an operator. */
  readonly acknowledge: boolean;
  /** Raised `count` times (0 = never) within `within` ms, it chatters. */
  readonly chattering: { readonly count: number; readonly within: number };
}

const severities: Readonly<Record<AlarmLevel, number>> = { highHigh: 800, high: 500, low: 500, lowLow: 800, state: 600, bad: 400 };
const numericLevels = ["lowLow", "low", "high", "highHigh"] as const;

const severity = () => v.pipe(v.optional(integer(1, 1000)), v.description("How grave it is, 1 to 1000 (OPC 10000-5 §6.4.2). Default 800 for highHigh and lowLow, 600 for is, 500 for high and low, 400 for bad."));
const messageText = () => v.pipe(v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(500))), v.description("Text for the operator; {id}, {tag}, {level}, {value}, {limit} and {unit} are filled in. Default: one that names all of them."));
const delay = (what: string) => v.pipe(v.optional(duration(0, 7 * 86_400_000)), v.description(`${what} Default 0, to 7d.`));
const hysteresis = () => v.pipe(v.optional(v.pipe(v.number(), v.minValue(0), v.finite())), v.description("How far a value must come back from its limit to be normal again, in the tag's unit; 0 or more. Default 0."));

const habits = {
  severity: severity(),
  message: messageText(),
  hysteresis: hysteresis(),
  onDelay: delay("How long a value must be in alarm before the alarm is raised."),
  offDelay: delay("How long a value must be normal before the alarm is cleared."),
  latch: v.pipe(v.optional(v.boolean()), v.description("Whether it stays, after the process is normal again, until an operator resets it. Default false.")),
  acknowledge: v.pipe(v.optional(v.boolean()), v.description("Whether an operator has to acknowledge it. Default true.")),
};

const limit = (what: string) => v.pipe(v.optional(v.union([v.pipe(v.number(), v.finite()), v.strictObject({ limit: v.pipe(v.number(), v.finite(), v.description("The limit, in the tag's unit.")), ...habits })], "must be a number, or a map with limit and what differs for this one alarm")), v.description(what));

/** Config schema of the alarms of one tag; its output is what `compileRules` takes. */
export const tagAlarmsSchema = v.pipe(
  v.strictObject({
    lowLow: limit("Alarm at or below this value: a number, or a map with limit, severity, message, hysteresis, onDelay, offDelay, latch, acknowledge."),
    low: limit("Alarm at or below this value, as lowLow."),
    high: limit("Alarm at or above this value, as lowLow."),
    highHigh: limit("Alarm at or above this value, as lowLow."),
    is: v.pipe(v.optional(v.union([v.boolean(), v.pipe(v.string(), v.maxLength(256)), v.pipe(v.number(), v.finite())])), v.description("Alarm while the tag has exactly this value, such as true or a state's name.")),
    bad: v.pipe(v.optional(v.boolean(), false), v.description("Alarm while the tag's quality is bad. Default false.")),
    suppress: v.pipe(
      v.optional(v.strictObject({ tag: v.pipe(v.string(), v.minLength(1), v.maxLength(256), v.description("Another tag of the same source.")), is: v.pipe(v.union([v.boolean(), v.string(), v.number()]), v.description("The value of it that suppresses.")) })),
      v.description("The tag's alarms are suppressed by design while another tag of the same source has a value, such as {tag: running, is: false}. Default: never."),
    ),
    ...habits,
  }),
  v.check((tag) => numericLevels.some((level) => tag[level] !== undefined) || tag.is !== undefined || tag.bad, "must name at least one of lowLow, low, high, highHigh, is, bad"),
  v.check((tag) => {
    const limits = numericLevels.flatMap((level) => (tag[level] === undefined ? [] : [limitOf(tag[level])]));
    return limits.every((one, at) => at === 0 || limits[at - 1]! < one);
  }, "must have limits that rise from lowLow over low and high to highHigh"),
);

/** What a config says of one tag, checked. */
export type TagAlarms = v.InferOutput<typeof tagAlarmsSchema>;

const limitOf = (given: number | { readonly limit: number }): number => (typeof given === "number" ? given : given.limit);

/** The alarms of one tag. What a limit says for itself goes before what is said for the tag. */
export function compileRules(tag: TagAlarms, chattering: AlarmRule["chattering"]): readonly AlarmRule[] {
  const rule = (level: AlarmLevel, limit: AlarmRule["limit"], own: Partial<TagAlarms>): AlarmRule => {
    const { hysteresis = 0, onDelay = 0, offDelay = 0, severity = severities[level], message, latch = false, acknowledge = true } = { ...defined(tag), ...defined(own) };
    return { level, limit, hysteresis, onDelay, offDelay, severity, message, latch, acknowledge, chattering };
  };
  return [
    ...numericLevels.flatMap((level) => (tag[level] === undefined ? [] : [rule(level, limitOf(tag[level]), typeof tag[level] === "number" ? {} : tag[level])])),
    ...(tag.is === undefined ? [] : [rule("state", tag.is, {})]),
    ...(tag.bad ? [rule("bad", "bad", {})] : []),
  ];
}

const defined = <T extends object>(map: T): Partial<T> => Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined)) as Partial<T>;

/** Whether a reading is in alarm; `held` is whether the last one was. Undefined where it does not say: a bad or absent value leaves things as they are. */
export function isOver(rule: AlarmRule, reading: { readonly value: unknown; readonly quality: string }, held: boolean): boolean | undefined {
  const { level, limit, hysteresis } = rule;
  if (level === "bad") return reading.quality === "bad";
  const { value } = reading;
  if (reading.quality === "bad" || value === undefined || value === null) return undefined;
  if (level === "state") return value === limit;
  if (typeof value !== "number" || Number.isNaN(value)) return undefined;
  const margin = held ? hysteresis : 0;
  return level === "high" || level === "highHigh" ? value >= (limit as number) - margin : value <= (limit as number) + margin;
}
