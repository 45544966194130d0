/** Where the parts of one decoded envelope stand in the received bytes; reused for every message. 0–0 = the field is absent. */
export interface EnvelopeFields {
  bytes: Uint8Array;
  verAt: number;
  verEnd: number;
  msgidAt: number;
  msgidEnd: number;
  timestamp: number;
  fromAt: number;
  fromEnd: number;
  toAt: number;
  toEnd: number;
  typeAt: number;
  typeEnd: number;
  jsonAt: number;
  jsonEnd: number;
  qos: number;
  retain: boolean;
}

/** An empty set of fields to decode into. */
export function createFields(): EnvelopeFields {
  return {
    bytes: new Uint8Array(0),
    verAt: 0,
    verEnd: 0,
    msgidAt: 0,
    msgidEnd: 0,
    timestamp: 0,
    fromAt: 0,
    fromEnd: 0,
    toAt: 0,
    toEnd: 0,
    typeAt: 0,
    typeEnd: 0,
    jsonAt: 0,
    jsonEnd: 0,
    qos: 0,
    retain: false,
  };
}

/**
 * Decodes a `busbar.v1.Envelope` with a JSON payload, without copying anything.
 * @returns false when the bytes are not a well-formed message.
 */
export function decodeEnvelope(bytes: Uint8Array, start: number, end: number, fields: EnvelopeFields): boolean {
  fields.bytes = bytes;
  fields.verAt = fields.verEnd = fields.msgidAt = fields.msgidEnd = fields.fromAt = fields.fromEnd = 0;
  fields.toAt = fields.toEnd = fields.typeAt = fields.typeEnd = fields.jsonAt = fields.jsonEnd = 0;
  fields.timestamp = fields.qos = 0;
  fields.retain = false;
  let at = start;
  while (at < end) {
    const tag = bytes[at++] ?? 0;
    if ((tag & 7) === 2 && tag < 0x80) {
      let length = bytes[at++] ?? 0;
      if (length >= 0x80) {
        let shift = 7;
        length &= 0x7f;
        for (let more = true; more && shift < 28; shift += 7) {
          const byte = bytes[at++] ?? 0;
          length |= (byte & 0x7f) << shift;
          more = byte >= 0x80;
        }
      }
      const stop = at + length;
      if (stop > end) return false;
      switch (tag >> 3) {
        case 1:
          fields.verAt = at;
          fields.verEnd = stop;
          break;
        case 2:
          fields.msgidAt = at;
          fields.msgidEnd = stop;
          break;
        case 4:
          fields.fromAt = at;
          fields.fromEnd = stop;
          break;
        case 5:
          fields.toAt = at;
          fields.toEnd = stop;
          break;
        case 6:
          fields.typeAt = at;
          fields.typeEnd = stop;
          break;
        case 7:
          fields.jsonAt = at;
          fields.jsonEnd = stop;
      }
      at = stop;
    } else if ((tag & 7) === 0 && tag < 0x80) {
      let value = 0;
      let scale = 1;
      for (;;) {
        if (at >= end) return false;
        const byte = bytes[at++] ?? 0;
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) break;
        scale *= 128;
      }
      if (tag === 0x18) fields.timestamp = value;
      else if (tag === 0x48) fields.qos = value;
      else if (tag === 0x50) fields.retain = value !== 0;
    } else return false;
  }
  return at === end;
}
