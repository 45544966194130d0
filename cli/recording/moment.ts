import { timeOf, type RecordedMessage } from "./recording-file.ts";

/** A place in a recording: an offset of the journal, a time, or a time since its first message. */
export type Moment = { readonly kind: "offset"; readonly offset: number } | { readonly kind: "time"; readonly ms: number } | { readonly kind: "elapsed"; readonly ms: number };

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `#1234`, `+90s` or a date such as `2026-11-21T08:00:00Z`. Undefined when it is none of these. */
export function parseMoment(text: string): Moment | undefined {
  const offset = /^#(\d{1,15})$/.exec(text)?.[1];
  if (offset !== undefined) return { kind: "offset", offset: Number(offset) };
  const [, number, unit] = /^\+(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (number !== undefined) return { kind: "elapsed", ms: Number(number) * units[unit!]! };
  const ms = /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : { kind: "time", ms };
}

/** Whether a message lies before a moment. `first`: the time of the recording's first message. One without an offset lies before no offset. */
export function isBefore(message: RecordedMessage, moment: Moment, first: number): boolean {
  if (moment.kind === "offset") return message.offset !== undefined && message.offset < moment.offset;
  return timeOf(message) < (moment.kind === "time" ? moment.ms : first + moment.ms);
}
