import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Message } from "../envelope.ts";

interface Encoded {
  message: Message | undefined;
  offset: number | undefined;
  bytes: Uint8Array;
}

const framed: Encoded = { message: undefined, offset: undefined, bytes: new Uint8Array(0) };
const bare: Encoded = { message: undefined, offset: undefined, bytes: new Uint8Array(0) };

/** An envelope as `busbar.v1.Frame{envelope}`, or, bare, as `busbar.v1.Envelope`. Encoded once however many sessions ask for it one after the other. */
export function encodeEnvelopeProto(message: Message, offset: number | undefined, asFrame: boolean): Uint8Array {
  const last = asFrame ? framed : bare;
  if (last.message === message && last.offset === offset) return last.bytes;
  const writer = new BinaryWriter();
  if (asFrame) write(writer.tag(3, 2).fork(), message, offset).join();
  else write(writer, message, offset);
  last.message = message;
  last.offset = offset;
  return (last.bytes = writer.finish());
}

function write(writer: BinaryWriter, message: Message, offset: number | undefined): BinaryWriter {
  writer.tag(1, 2).string("1.0").tag(2, 2).string(message.msgid).tag(3, 0).int64(message.timestamp);
  writer.tag(4, 2).string(message.from).tag(5, 2).string(message.to).tag(6, 2).string(message.type);
  const bytes = message.payloadBytes();
  if (bytes) writer.tag(8, 2).bytes(bytes);
  else writer.tag(7, 2).string(message.payloadText());
  if (message.qos > 0) writer.tag(9, 0).uint32(message.qos);
  if (message.retain) writer.tag(10, 0).bool(true);
  if (offset !== undefined) writer.tag(11, 0).int64(offset);
  if (message.expires !== undefined) writer.tag(12, 0).int64(message.expires);
  if (message.replace !== undefined) writer.tag(13, 2).string(message.replace);
  return writer;
}
