import type { Clock } from "./clock.ts";
import { errorText } from "./errors.ts";

/** How much a line of the log matters. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What is said besides the message: plain values; an Error stands for its text and causes. Never a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One finished line of the log. */
export interface LogRecord {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/**
 * Where a component says what happened. The same message of the same component at the same level is written at most once a
 * second; the next one that is written says in `repeated` how many were held back.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose lines carry `fields` too. */
  child(fields: LogFields): Log;
}

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** How a log is made. */
export interface LogOptions {
  /** Lines below this level are not written. Default "info". */
  readonly level?: LogLevel;
  readonly clock: Clock;
  /** Takes each line that is to be written. */
  readonly write: (record: LogRecord) => void;
  /** Fields on every line. */
  readonly fields?: LogFields;
}

/** Makes a log that hands its lines to `write`. */
export function createLog(options: LogOptions): Log {
  const least = order[options.level ?? "info"];
  const fields = options.fields ?? {};
  const recent = new Map<string, { until: number; held: number }>();

  const say = (level: LogLevel) => (message: string, more?: LogFields): void => {
    if (order[level] < least) return;
    const time = options.clock.now();
    const key = level + message;
    const last = recent.get(key);
    if (last && time < last.until && last.until - time <= 1000) {
      last.held++;
      return;
    }
    if (recent.size >= 1000) recent.clear();
    recent.set(key, { until: time + 1000, held: 0 });
    const all: Record<string, unknown> = { ...fields };
    for (const [name, value] of Object.entries(more ?? {})) all[name] = value instanceof Error ? errorText(value) : value;
    if (last?.held) all["repeated"] = last.held;
    options.write({ time, level, message, fields: all });
  };

  return {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    child: (more) => createLog({ ...options, fields: { ...fields, ...more } }),
  };
}

/** What would begin another line, move a terminal's cursor, or be read in another order than it is written (Unicode UAX #9 §2): none of it belongs in a log as it is. */
const deceptive = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Escapes as JSON does, which leaves everything beyond U+001F as it is. */
function escapeDeceptive(line: string): string {
  return line.replace(deceptive, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A line as JSON, for machines: `{"time","level","message",…fields}`. Control and other deceptive characters are escaped, so no field can forge a line, nor move the cursor of whoever reads it. */
export function formatLogJson(record: LogRecord): string {
  const own = { time: new Date(record.time).toISOString(), level: record.level, message: record.message };
  const fields = Object.fromEntries(Object.entries(record.fields).filter(([name]) => !(name in own)));
  return escapeDeceptive(stringify({ ...own, ...fields }) ?? stringify({ ...own, fields: "cannot be said in JSON" })!);
}

/** As JSON, a bigint as decimal text; undefined for what JSON has no word for, such as a cycle: whatever somebody threw, saying so must not throw again. */
function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (_key, one: unknown) => (typeof one === "bigint" ? one.toString() : one));
  } catch {
    return undefined;
  }
}

function formatValue(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  return stringify(value) ?? (typeof value === "object" ? Object.prototype.toString.call(value) : String(value));
}

/** A line for people: time, level where it is not info, component, message, fields. Control and other deceptive characters are escaped. */
export function formatLogText(record: LogRecord): string {
  const { plugin, ...rest } = record.fields;
  const parts = [new Date(record.time).toISOString().slice(11, 23)];
  if (record.level !== "info") parts.push(record.level.toUpperCase());
  if (plugin !== undefined) parts.push(`[${String(plugin)}]`);
  parts.push(record.message);
  for (const [name, value] of Object.entries(rest)) parts.push(`${name}=${typeof value === "string" && !/[\s"=]/.test(value) ? value : formatValue(value)}`);
  return escapeDeceptive(parts.join(" "));
}
