import { Slab } from "@busbar/core";

const slab = new Slab();

/** Opcodes of data frames (RFC 6455 §5.2). */
const opcode = { text: 0x81, binary: 0x82 } as const;

const last = { text: { payload: undefined as Uint8Array | undefined, frame: new Uint8Array(0) as Uint8Array }, binary: { payload: undefined as Uint8Array | undefined, frame: new Uint8Array(0) as Uint8Array } };

/**
 * A whole, unmasked WebSocket frame with that payload (RFC 6455 §5.2). A message that goes to a thousand sockets is framed once: asked again for the very same
 * bytes it gives the same frame.
 */
export function frameOf(payload: Uint8Array, kind: "text" | "binary"): Uint8Array {
  const known = last[kind];
  if (known.payload === payload) return known.frame;
  const { length } = payload;
  const buffer = slab.reserve(length + 10);
  let at = slab.at;
  buffer[at++] = opcode[kind];
  if (length < 126) buffer[at++] = length;
  else if (length < 65_536) {
    buffer[at++] = 126;
    buffer[at++] = length >>> 8;
    buffer[at++] = length & 255;
  } else {
    buffer[at++] = 127;
    at = buffer.writeBigUInt64BE(BigInt(length), at);
  }
  buffer.set(payload, at);
  known.payload = payload;
  return (known.frame = slab.take(at + length));
}
