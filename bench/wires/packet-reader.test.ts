import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { delimitedContent, measureDelimited, measureMqtt, measureNats, measureWebSocket, PacketReader, webSocketPayload } from "./packet-reader.ts";
import type { Measure } from "./packet-reader.ts";

/** A server's text frame with a payload of `length` bytes (RFC 6455 §5.2). */
function webSocketFrame(length: number): Buffer {
  const payload = Buffer.alloc(length, length % 251);
  const header =
    length < 126 ? Buffer.from([0x81, length]) : length < 65_536 ? Buffer.from([0x81, 126, length >> 8, length & 0xff]) : Buffer.from([0x81, 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff]);
  return Buffer.concat([header, payload]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >> 7)];
}

const kinds: readonly { readonly name: string; readonly measure: Measure; packet(length: number): Buffer }[] = [
  { name: "measureWebSocket", measure: measureWebSocket, packet: webSocketFrame },
  { name: "measureDelimited", measure: measureDelimited, packet: (length) => Buffer.from([...varint(length), ...Buffer.alloc(length, 7)]) },
  { name: "measureMqtt", measure: measureMqtt, packet: (length) => Buffer.from([0x30, ...varint(length), ...Buffer.alloc(length, 7)]) },
  { name: "measureNats", measure: measureNats, packet: (length) => Buffer.concat([Buffer.from(length === 0 ? "PING\r\n" : `MSG status.a 1 reply ${length}\r\n`), Buffer.alloc(length, 10), Buffer.from(length === 0 ? "" : "\r\n")]) },
];

it("measureNats() throws when the size is no number", () => {
  const line = Buffer.from("MSG a 1 x2\r\n");
  assert.throws(() => measureNats(line, 0, line.length), /no number/);
});

describe("PacketReader", () => {
  for (const { name, measure, packet } of kinds) {
    it(`push() with ${name} finds the same packets however the stream is cut`, () => {
      const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(125, 126, 127, 128, 16_383, 16_384, 65_535, 65_536)), { minLength: 1, maxLength: 12 });
      fc.assert(
        fc.property(lengths, fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }), (sizes, cuts) => {
          const packets = sizes.map(packet);
          const stream = Buffer.concat(packets);
          const found: Buffer[] = [];
          const reader = new PacketReader(measure, (bytes, start, end) => found.push(Buffer.from(bytes.subarray(start, end))));
          // One buffer for every chunk, as sockets of the load generator have it: what is kept must be a copy.
          const shared = new Uint8Array(5000);
          for (let at = 0, cut = 0; at < stream.length; cut++) {
            const size = Math.min(cuts[cut % cuts.length] ?? 1, stream.length - at);
            shared.set(stream.subarray(at, at + size));
            reader.push(shared, size);
            at += size;
          }
          assert.deepEqual(found, packets);
        }),
        { numRuns: 200 },
      );
    });

    it(`push() with ${name} finds the packets of a stream that comes byte by byte`, () => {
      const packets = [0, 1, 125, 126, 130, 300].map(packet);
      const found: Buffer[] = [];
      const reader = new PacketReader(measure, (bytes, start, end) => found.push(Buffer.from(bytes.subarray(start, end))));
      for (const byte of Buffer.concat(packets)) reader.push(Uint8Array.of(byte), 1);
      assert.deepEqual(found, packets);
    });
  }
});

it("measureDelimited() throws when the length has more than five bytes", () => {
  assert.throws(() => measureDelimited(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 1), 0, 6), /more than 5 bytes/);
});

it("measureMqtt() throws when the remaining length has more than four bytes", () => {
  assert.throws(() => measureMqtt(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 1), 0, 6), /more than 4 bytes/);
});

it("measureWebSocket() counts the masking key of a client's frame", () => {
  assert.equal(measureWebSocket(Uint8Array.of(0x81, 0x83, 0, 0, 0, 0, 1, 2, 3), 0, 9), 9);
});

it("webSocketPayload() and delimitedContent() skip headers of each length", () => {
  for (const [length, header] of [[5, 2], [126, 4], [70_000, 10]] as const) assert.equal(webSocketPayload(webSocketFrame(length), 0), header);
  for (const [length, header] of [[5, 1], [300, 2]] as const) assert.equal(delimitedContent(Uint8Array.from(varint(length)), 0), header);
});
