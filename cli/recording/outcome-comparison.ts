import { formatPayload, topicOf } from "@busbar/core";
import type { RecordedMessage } from "./recording-file.ts";

/** What is compared of a message: its topic and payload, not when it came or how it was numbered. */
export type ComparedMessage = Pick<RecordedMessage, "type" | "from" | "to" | "payload">;

/** Compares what came out with what should have, topic by topic, in order. Returns a line for each topic that differs: the first difference in it. */
export function compareOutcome(came: readonly ComparedMessage[], wanted: readonly ComparedMessage[]): readonly string[] {
  const [have, want] = [byTopic(came), byTopic(wanted)];
  return [...new Set([...want.keys(), ...have.keys()])].sort().flatMap((topic) => {
    const [a, b] = [have.get(topic) ?? [], want.get(topic) ?? []];
    const at = b.findIndex((payload, place) => payload !== a[place]);
    if (at < 0 && a.length === b.length) return [];
    if (at < 0) return [`${topic}: ${a.length} messages came, expected ${b.length}; the first too many is ${shown(a[b.length])}`];
    return [`${topic}: message ${at + 1} is ${shown(a[at])}, expected ${shown(b[at])}`];
  });
}

function byTopic(messages: readonly ComparedMessage[]): Map<string, string[]> {
  const topics = new Map<string, string[]>();
  for (const { type, from, to, payload } of messages) {
    const topic = topicOf(type, from, to);
    const payloads = topics.get(topic);
    if (payloads) payloads.push(canonical(payload));
    else topics.set(topic, [canonical(payload)]);
  }
  return topics;
}

/** JSON with the keys of objects in order, so that two spellings of one payload are equal. */
function canonical(payload: unknown): string {
  return JSON.stringify(JSON.parse(formatPayload(payload)), (_key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}

const shown = (payload: string | undefined): string => (payload === undefined ? "missing" : payload.length > 120 ? `${payload.slice(0, 117)}…` : payload);
