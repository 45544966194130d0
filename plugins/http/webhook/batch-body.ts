import { formatPayload, Message, toJsonObject, type Entry, type Envelope } from "@busbar/core";
import type { WebhookConfig } from "./config.ts";

/** How the messages of a request are written down. */
export type BatchFormat = WebhookConfig["format"];

/** What a body says besides its messages. */
export interface BatchNotes {
  /** The reader's lane they come from: "alarm", "command", "live" or "backfill". */
  readonly lane: string;
  readonly late: boolean;
}

/** The media type of each format. */
export const contentTypes: Readonly<Record<BatchFormat, string>> = {
  envelopes: "application/json",
  ndjson: "application/x-ndjson",
  cloudevents: "application/cloudevents-batch+json", // CloudEvents 1.0.2, HTTP binding §3.3
};

/** Writes the body of a request: text, UTF-8 once it is sent. */
export function formatBatch(format: BatchFormat, entries: readonly Entry[], notes: BatchNotes): string {
  if (format === "cloudevents") return `[${entries.map((entry) => formatEvent(entry, notes)).join(",")}]`;
  const late = notes.late ? { late: true } : {};
  const lines = entries.map(({ message, offset }) => JSON.stringify({ ...toJsonObject(message, offset), ...late }));
  if (format === "ndjson") return lines.join("\n") + "\n";
  return `{"lane":${JSON.stringify(notes.lane)},"late":${notes.late},"messages":[${lines.join(",")}]}`;
}

/**
 * One event of CloudEvents 1.0.2: `source` is `/<from>`, `id` the msgid, unique within it; `subject` the topic; the extension attributes `busbaroffset`, `busbarqos` and
 * `busbarlate` tell the place in the journal, the qos, and whether it is late.
 */
function formatEvent({ message, offset }: Entry, { late }: BatchNotes): string {
  const { msgid, from, type, topic, timestamp, qos } = message;
  const bytes = bytesOf(message);
  const attributes = JSON.stringify({
    specversion: "1.0",
    id: msgid,
    source: `/${from}`,
    type: `busbar.${type}`,
    subject: topic,
    time: new Date(timestamp).toISOString(),
    busbaroffset: String(offset), // integers of CloudEvents have 32 bits
    busbarqos: qos,
    ...(late ? { busbarlate: true } : {}),
    ...(bytes ? { datacontenttype: "application/octet-stream", data_base64: Buffer.from(bytes).toString("base64") } : { datacontenttype: "application/json" }),
  });
  return bytes ? attributes : `${attributes.slice(0, -1)},"data":${formatPayload(message.payload)}}`;
}

function bytesOf(message: Envelope): Uint8Array | undefined {
  const payload = message instanceof Message ? message.payloadBytes() : message.payload;
  return payload instanceof Uint8Array ? payload : message.payload instanceof Uint8Array ? message.payload : undefined;
}
