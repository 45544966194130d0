import { BusbarError, checkMessage, createMessage, isId, isJson, isReservedId, maxPayloadDepth, Message, parsePayload, type Draft } from "@busbar/core";
import type { IPublishPacket } from "mqtt-packet";
import type { InEntry } from "./config.ts";
import { digest, incomingMsgid } from "./origin.ts";
import { asIdLevels, fillTemplate, wildcards } from "./topic-template.ts";

/** What a message of the broker is read with. */
export interface IncomingOptions {
  readonly entries: readonly InEntry[];
  readonly instance: string;
  /** The tag of this bridge (see origin.ts). */
  readonly tag: string;
  /** Makes an id for a message that brings none. */
  readonly mint: () => string;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

interface Source {
  readonly topic: string;
  readonly levels: readonly string[];
  readonly from: string | undefined;
}

/**
 * The message that a publish of the broker becomes. Undefined when it came round: it went out through this bridge.
 * @throws {BusbarError} BAD_FRAME when it fits no entry or does not make an envelope.
 */
export function incomingMessage(packet: IPublishPacket, options: IncomingOptions): Message | undefined {
  const { topic } = packet;
  for (const entry of options.entries) {
    for (const filter of entry.topics) {
      const levels = wildcards(filter, topic);
      if (levels !== undefined) return (entry.format === "envelope" ? fromEnvelope : fromPayload)(packet, entry, { ...options, levels });
    }
  }
  throw new BusbarError("BAD_FRAME", "no entry of in subscribes to it (any more)");
}

type Found = IncomingOptions & { readonly levels: readonly string[] };

/** A payload of WIRE §5: JSON, else bytes. User properties say the rest where there are any. */
function fromPayload(packet: IPublishPacket, entry: InEntry, found: Found): Message | undefined {
  const { properties } = packet;
  const via = property(packet, "via")?.split(",") ?? [];
  if (via.includes(found.tag)) return undefined;
  const said = property(packet, "from");
  const source: Source = { topic: packet.topic, levels: found.levels, from: said };
  const from = idOf(entry.from ?? `${found.instance}/{topic}`, source, "from");
  const to = entry.to === undefined ? "server" : idOf(entry.to, source, "to");
  const bytes = new Uint8Array(packet.payload as Buffer); // a copy: the packet lies in a buffer of the socket
  const json = bytes.length > 0 && isJson(bytes, 0, bytes.length, maxPayloadDepth);
  const id = property(packet, "msgid") ?? (json && entry.msgid !== undefined ? fieldOf(bytes, entry.msgid) : undefined);
  const timestamp = Number(property(packet, "timestamp") ?? 0);
  const expiry = properties?.messageExpiryInterval;
  const type = entry.type ?? "status";
  const msgid = msgidOf(id, { via, source, kept: keepsSender(entry.from), found });
  const retain = entry.retain === "keep" && packet.retain;
  const expires = expiry === undefined ? undefined : found.now + expiry * 1000;
  const when = Number.isSafeInteger(timestamp) && timestamp > 0 ? timestamp : 0;
  const message = json
    ? Message.fromJsonBytes(type, from, to, msgid, when, packet.qos, retain, expires, bytes, 0, bytes.length)
    : new Message(type, from, to, msgid, when, packet.qos, retain, expires, bytes);
  checkMessage(message);
  return message;
}

/** A whole envelope as JSON, as `format: envelope` sends it. */
function fromEnvelope(packet: IPublishPacket, entry: InEntry, found: Found): Message | undefined {
  const object = parseEnvelope(packet.payload as Buffer);
  const via = Array.isArray(object["via"]) ? object["via"].filter((one) => typeof one === "string") : [];
  if (via.includes(found.tag)) return undefined;
  const text = (key: string): string | undefined => (typeof object[key] === "string" && object[key] !== "" ? object[key] : undefined);
  const source: Source = { topic: packet.topic, levels: found.levels, from: text("from") };
  const template = entry.from ?? `${found.instance}/{from}`;
  return createMessage({
    type: entry.type ?? text("type") ?? "status",
    from: idOf(template, source, "from"),
    to: entry.to === undefined ? (text("to") ?? "server") : idOf(entry.to, source, "to"),
    msgid: msgidOf(text("msgid"), { via, source, kept: keepsSender(template), found }),
    timestamp: object["timestamp"] as number | undefined,
    expires: object["expires"] as number | undefined,
    payload: parsePayload(object["payload"]),
    qos: packet.qos,
    retain: entry.retain === "keep" && (packet.retain || object["retain"] === true),
  } satisfies Draft) as Message;
}

function parseEnvelope(payload: Buffer): Readonly<Record<string, unknown>> {
  const value: unknown = isJson(payload, 0, payload.length, maxPayloadDepth + 1) ? JSON.parse(payload.toString("utf8")) : undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new BusbarError("BAD_FRAME", "its payload is not an envelope: no JSON object");
  return value as Readonly<Record<string, unknown>>;
}

/** The first user property of that name (MQTT 5.0 §3.3.2.3.7). */
function property({ properties }: IPublishPacket, name: string): string | undefined {
  const all = properties?.userProperties;
  if (all === undefined || !Object.hasOwn(all, name)) return undefined;
  const value = all[name];
  return typeof value === "string" ? value : value?.[0];
}

function fieldOf(json: Uint8Array, path: string): string | undefined {
  let at: unknown = JSON.parse(new TextDecoder().decode(json));
  for (const key of path.split(".")) at = typeof at === "object" && at !== null && Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : undefined;
  return typeof at === "string" && at !== "" ? at : typeof at === "number" ? String(at) : undefined;
}

function idOf(template: string, { topic, levels, from }: Source, what: string): string {
  const filled = fillTemplate(template, (name) => {
    const part = name === "topic" ? topic : name === "from" ? from : levels[Number(name) - 1];
    return part === undefined ? undefined : asIdLevels(part);
  });
  if (filled === undefined) throw new BusbarError("BAD_FRAME", `the message does not have all that ${JSON.stringify(template)} asks for`);
  if (!isId(filled) || (what === "from" && isReservedId(filled))) throw new BusbarError("BAD_FRAME", `${JSON.stringify(filled.slice(0, 80))} cannot be its ${what}: it is not an id of at most 256 bytes that somebody may have`);
  return filled;
}

const keepsSender = (template: string | undefined): boolean => template?.includes("{from}") ?? false;

/**
 * The msgid of what came in. An id is unique per sender (WIRE §1). Where the sender is not part of `from`, senders share one, so a digest of sender, topic and id stands for the id.
 * A message that brings no id gets a new one each time it comes: a redelivery is a second message.
 */
function msgidOf(id: string | undefined, { via, source, kept, found }: { readonly via: readonly string[]; readonly source: Source; readonly kept: boolean; readonly found: Found }): string {
  if (id === undefined) return incomingMsgid(found.mint(), via, found.tag);
  return incomingMsgid(kept ? id : digest(`${source.from ?? ""}\0${source.topic}\0${id}`), via, found.tag);
}
