import type { EnvelopeFields } from "./envelope.ts";

/**
 * The same job as `OutBuffer.append`, done the way a program does it that looks at its messages: every field becomes a
 * JavaScript value, the payload is parsed, and the whole is stringified.
 * @throws SyntaxError when the payload is not JSON.
 */
export function envelopeToJson(fields: EnvelopeFields): string {
  const { bytes } = fields;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return JSON.stringify({
    ver: buffer.toString("utf8", fields.verAt, fields.verEnd),
    msgid: buffer.toString("utf8", fields.msgidAt, fields.msgidEnd),
    timestamp: fields.timestamp,
    from: buffer.toString("utf8", fields.fromAt, fields.fromEnd),
    to: fields.toEnd === fields.toAt ? "server" : buffer.toString("utf8", fields.toAt, fields.toEnd),
    type: buffer.toString("utf8", fields.typeAt, fields.typeEnd),
    payload: JSON.parse(buffer.toString("utf8", fields.jsonAt, fields.jsonEnd)),
    qos: fields.qos,
    retain: fields.retain,
  });
}
