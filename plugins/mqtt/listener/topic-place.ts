import { isId, isJson, isReservedId, isType, maxPayloadDepth, Message, speaksFor, type Qos } from "@busbar/core";

/** Where a message goes whose topic is given, as WIRE §5 says. An empty `from` is the sender itself. */
export interface TopicPlace {
  readonly type: string;
  readonly from: string;
  readonly to: string;
}

/**
 * What a topic stands for when `sender` publishes on it: when the part after the type lies within the sender's own id it is `from`, else it is `to`. Undefined when it is no topic of an envelope. Whether the sender may is
 * for the session to say.
 */
export function placeOf(topic: string, sender: string): TopicPlace | undefined {
  const slash = topic.indexOf("/");
  const type = topic.slice(0, Math.max(0, slash));
  const rest = topic.slice(slash + 1);
  if (!isType(type) || !isId(rest)) return undefined;
  if (speaksFor(sender, rest)) return { type, from: rest, to: "server" };
  if (isReservedId(rest) && rest !== "all" && !rest.startsWith("group/")) return undefined; // would be another topic than the client has said
  return { type, from: sender, to: rest };
}

/** How a message was published. */
export interface Publication {
  readonly qos: Qos;
  readonly retain: boolean;
  readonly msgid: string;
  /** The payload is `bytes[start..end)`. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** The message that a PUBLISH is: a JSON payload is the payload, any other is bytes. */
export function messageOf({ type, from, to }: TopicPlace, { qos, retain, msgid, bytes, start, end }: Publication): Message {
  if (end > start && isJson(bytes, start, end, maxPayloadDepth)) return Message.fromJsonBytes(type, from, to, msgid, 0, qos, retain, undefined, bytes, start, end);
  return new Message(type, from, to, msgid, 0, qos, retain, undefined, new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start));
}
