import { clearsRetained, formatPayload, matchesAny, Message, type Entry, type Envelope } from "@busbar/core";
import type { BrokerLimits, Publication } from "./session-options.ts";
import type { OutEntry } from "./config.ts";
import { wayOf, withoutWay } from "./origin.ts";
import { fillTemplate } from "./topic-template.ts";

/** What a publication is made with. */
export interface OutgoingOptions {
  readonly version: 4 | 5;
  readonly qos: 0 | 1 | 2;
  readonly limits: BrokerLimits;
  /** Whether it comes later than it should. */
  readonly late: boolean;
  /** The tag of this bridge (see origin.ts). */
  readonly tag: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

const nothing = Buffer.alloc(0);

/** The entry of `out` that a topic takes: the first that fits. */
export function outEntryFor(entries: readonly OutEntry[], topic: string): OutEntry | undefined {
  return entries.find((entry) => matchesAny(entry.topics, topic));
}

/** What is published for a message of the journal: WIRE §5, with user properties where the protocol has them. */
export function outgoingMessage({ message, offset }: Entry, entry: OutEntry, options: OutgoingOptions): Publication {
  const { version, limits, now } = options;
  const retain = limits.retain && (entry.retain === "always" || (entry.retain === "keep" && message.retain));
  const clears = message.retain && clearsRetained(message.payload);
  const via = [...wayOf(message.msgid), options.tag];
  const common = { topic: topicOut(entry.to, message), qos: Math.min(options.qos, limits.maximumQos) as 0 | 1 | 2, retain };
  const payload = entry.format === "envelope" ? envelopeBytes(message, { offset, via, late: options.late }) : clears ? nothing : payloadBytes(message);
  if (version === 4) return { ...common, payload };
  return {
    ...common,
    payload,
    properties: {
      ...(message.expires === undefined ? {} : { messageExpiryInterval: Math.max(1, Math.ceil((message.expires - now) / 1000)) }),
      ...(payload.length > 0 && (entry.format === "envelope" || rawBytes(message) === undefined) ? { payloadFormatIndicator: true, contentType: "application/json" } : {}),
      userProperties: {
        msgid: withoutWay(message.msgid), from: message.from, timestamp: String(message.timestamp), offset: String(offset), via: via.join(","),
        ...(options.late ? { late: "true" } : {}),
      },
    },
  };
}

function topicOut(template: string, message: Envelope): string {
  if (template === "{topic}") return message.topic;
  const { topic, type, from, to } = message;
  return fillTemplate(template, (name) => (name === "topic" ? topic : name === "type" ? type : name === "id" ? topic.slice(type.length + 1) : name === "from" ? from : to))!;
}

function rawBytes(message: Envelope): Uint8Array | undefined {
  return message instanceof Message ? message.payloadBytes() : message.payload instanceof Uint8Array ? message.payload : undefined;
}

const payloadText = (message: Envelope): string => (message instanceof Message ? message.payloadText() : formatPayload(message.payload));

function payloadBytes(message: Envelope): Buffer {
  const raw = rawBytes(message);
  return raw === undefined ? Buffer.from(payloadOut(message)) : Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
}

/** The answer to a command that came in through a bridge names it by the id that its sender knows. */
function payloadOut(message: Envelope): string {
  const text = payloadText(message);
  if (message.type !== "ack") return text;
  const { payload } = message;
  if (typeof payload !== "object" || payload === null || !("msgid" in payload) || typeof payload.msgid !== "string" || wayOf(payload.msgid).length === 0) return text;
  return formatPayload({ ...payload, msgid: withoutWay(payload.msgid) });
}

/** The whole envelope as JSON (WIRE §1), with `offset`, `via`, and `"late":true` where it is. The payload's text is not parsed: numbers stay as they were written. */
function envelopeBytes(message: Envelope, { offset, via, late }: { readonly offset: number; readonly via: readonly string[]; readonly late: boolean }): Buffer {
  const { ver, msgid, timestamp, from, to, type, qos, retain, expires } = message;
  const head = JSON.stringify({ ver, msgid: withoutWay(msgid), timestamp, from, to, type, qos, retain, ...(expires === undefined ? {} : { expires }), offset, via, ...(late ? { late } : {}) });
  return Buffer.from(`${head.slice(0, -1)},"payload":${payloadOut(message)}}`);
}
