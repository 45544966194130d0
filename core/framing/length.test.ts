import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { framingSuite } from "../testkit/framing-suite.ts";
import { lengthFraming, type LengthPrefix } from "./length.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

framingSuite({ name: "u8", framing: lengthFraming("u8"), longest: 255, announces: { limit: 100, bytes: bytes(101) } });
framingSuite({ name: "u16be", framing: lengthFraming("u16be"), longest: 65_535, announces: { limit: 100, bytes: bytes(0, 101) } });
framingSuite({ name: "u16le", framing: lengthFraming("u16le"), longest: 65_535, announces: { limit: 100, bytes: bytes(101, 0) } });
framingSuite({ name: "u32be", framing: lengthFraming("u32be"), announces: { limit: 1 << 20, bytes: bytes(255, 255, 255, 255) } });
framingSuite({ name: "u32le, its own bytes counted", framing: lengthFraming("u32le", { includesPrefix: true }), garbage: [bytes(3, 0, 0, 0), bytes(4, 0, 0, 0, 0, 0, 0, 0)], announces: { limit: 100, bytes: bytes(105, 0, 0, 0) } });

describe("length framing", () => {
  const table: readonly { readonly prefix: LengthPrefix; readonly own: boolean; readonly framed: Uint8Array }[] = [
    { prefix: "u8", own: false, framed: bytes(2, 8, 9) },
    { prefix: "u8", own: true, framed: bytes(3, 8, 9) },
    { prefix: "u16be", own: false, framed: bytes(0, 2, 8, 9) },
    { prefix: "u16le", own: true, framed: bytes(4, 0, 8, 9) },
    { prefix: "u32be", own: true, framed: bytes(0, 0, 0, 6, 8, 9) },
    { prefix: "u32le", own: false, framed: bytes(2, 0, 0, 0, 8, 9) },
  ];
  for (const { prefix, own, framed } of table) {
    it(`frame() writes a ${prefix} length${own ? " that counts itself" : ""}`, () => {
      assert.deepEqual(lengthFraming(prefix, { includesPrefix: own }).frame(bytes(8, 9)), framed);
    });
  }

  it("frame() throws RangeError for more than the length can say", () => {
    assert.throws(() => lengthFraming("u8").frame(new Uint8Array(256)), new RangeError("Cannot frame 256 bytes: a u8 length goes up to 255"));
    assert.throws(() => lengthFraming("u16be", { includesPrefix: true }).frame(new Uint8Array(65_534)), new RangeError("Cannot frame 65534 bytes: a u16be length goes up to 65533"));
  });
});
