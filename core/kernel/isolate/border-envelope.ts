import { bareEnvelopeProto } from "../../codec/envelope-proto.ts";
import { EnvelopeReader } from "../../codec/envelope-proto-read.ts";
import { checkMessage, createMessage, Message, type Draft, type Envelope } from "../../envelope.ts";
import { topicOf } from "../../topic.ts";

const reader = new EnvelopeReader();

/** A message as bytes: those of WIRE's protobuf, so bytes stay bytes and JSON stays the text it is. */
export function packEnvelope(draft: Draft): Uint8Array {
  return bareEnvelopeProto(createMessage(draft), undefined);
}

/** The message that bytes stand for, checked as one that came from outside; `from`, `msgid` and `timestamp` may be empty. The bytes must not change as long as it lives. @throws {SyntaxError | BusbarError} when they are none. */
export function unpackEnvelope(bytes: Uint8Array): Message {
  const message = reader.read(bytes, 0, bytes.length);
  checkMessage(message);
  return message;
}

/** A message that has been on the bus, with what the bus fills in. */
export function unpackDelivered(bytes: Uint8Array, received: number): Envelope {
  const message = unpackEnvelope(bytes);
  message.topic = topicOf(message.type, message.from, message.to);
  message.received = received;
  return message;
}
