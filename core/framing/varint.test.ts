import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { BusbarError } from "../errors.ts";
import { framingSuite } from "../testkit/framing-suite.ts";
import { varintFraming } from "./varint.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

framingSuite({
  name: "varint",
  framing: varintFraming,
  garbage: [bytes(0x80, 0x80, 0x80, 0x80, 0x80), bytes(1, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)],
  announces: { limit: 1 << 20, bytes: bytes(0xff, 0xff, 0xff, 0xff, 0x0f) },
});

describe("varint framing of protobuf", () => {
  it("frame() writes what protobuf calls size-delimited", () => {
    for (const size of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const payload = new Uint8Array(size).fill(7);
      assert.deepEqual(varintFraming.frame(payload), new BinaryWriter().bytes(payload).finish());
    }
  });

  const lengths: readonly { readonly text: string; readonly bytes: Uint8Array; readonly length: number }[] = [
    { text: "0", bytes: bytes(0), length: 0 },
    { text: "0 in two bytes", bytes: bytes(0x80, 0), length: 0 },
    { text: "3 in five bytes", bytes: bytes(0x83, 0x80, 0x80, 0x80, 0), length: 3 },
    { text: "300", bytes: bytes(0xac, 2), length: 300 },
  ];
  for (const { text, bytes: prefix, length } of lengths) {
    it(`push() reads a length of ${text}`, () => {
      const seen: number[] = [];
      varintFraming.createDeframer(1000).push(Uint8Array.from([...prefix, ...new Uint8Array(length)]), (_, start, end) => seen.push(end - start));
      assert.deepEqual(seen, [length]);
    });
  }

  it("push() names the length, the place and the limit of a frame of 4 GiB", () => {
    assert.throws(
      () => varintFraming.createDeframer(1 << 20).push(bytes(0x80, 0x80, 0x80, 0x80, 0x10), () => {}),
      new BusbarError("TOO_LARGE", "Cannot take a frame of 4294967296 bytes, announced up to byte 4 of the stream: the limit is 1048576 bytes"),
    );
  });

  it("push() counts the bytes of earlier chunks in the place of an error", () => {
    const deframer = varintFraming.createDeframer(100);
    deframer.push(bytes(2, 9, 9, 0x80, 0x80), () => {});
    assert.throws(() => deframer.push(bytes(0x80, 0x80, 0x80), () => {}), new SyntaxError("Cannot read a frame length: the varint at byte 3 of the stream is longer than 5 bytes"));
  });

  it("push() allocates by what was received, not by what was announced", () => {
    const deframers = Array.from({ length: 2000 }, () => varintFraming.createDeframer(1 << 20));
    const before = process.memoryUsage().arrayBuffers;
    for (const deframer of deframers) deframer.push(bytes(0xff, 0xff, 0x3f, 1, 2, 3), () => {});
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 4 << 20, `${grown} bytes for 2,000 frames of 1 MiB that have just begun`);
    assert.equal(deframers.at(-1)!.pending, 4);
  });

  it("push() copies the bytes of a long frame a bounded number of times", () => {
    // 4 MiB, 64 bytes at a time: copying what is held anew for each chunk would move 128 GiB.
    const size = 4 << 20;
    const deframer = varintFraming.createDeframer(size);
    const frame = varintFraming.frame(new Uint8Array(size));
    let done = 0;
    const from = performance.now();
    for (let at = 0; at < frame.length; at += 64) deframer.push(frame.subarray(at, at + 64), (_, start, end) => (done = end - start));
    assert.equal(done, size);
    assert.ok(performance.now() - from < 3000);
  });
});
