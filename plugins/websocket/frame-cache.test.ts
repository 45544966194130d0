import assert from "node:assert/strict";
import { test } from "node:test";
import { frameOf } from "./frame-cache.ts";

const payload = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at * 7);

/** Sizes around each form of the length, and the header that RFC 6455 §5.2 wants. */
const headers: readonly (readonly [length: number, text: string])[] = [
  [0, "8100"],
  [1, "8101"],
  [125, "817d"],
  [126, "817e007e"],
  [127, "817e007f"],
  [65_535, "817effff"],
  [65_536, "817f0000000000010000"],
  [65_537, "817f0000000000010001"],
  [1_000_000, "817f00000000000f4240"],
];

for (const [length, header] of headers) {
  test(`frameOf() frames ${length} bytes`, () => {
    const bytes = payload(length);
    const frame = Buffer.from(frameOf(bytes, "text"));
    assert.equal(frame.subarray(0, header.length / 2).toString("hex"), header);
    assert.ok(frame.subarray(header.length / 2).equals(bytes));
    assert.equal(frame.length, header.length / 2 + length);
    assert.equal(frameOf(bytes, "binary")[0], 0x82);
  });
}

test("frameOf() gives the same frame for the very same bytes, of each kind", () => {
  const bytes = payload(50);
  const text = frameOf(bytes, "text");
  const binary = frameOf(bytes, "binary");
  assert.equal(frameOf(bytes, "text"), text);
  assert.equal(frameOf(bytes, "binary"), binary);
  assert.notEqual(text[0], binary[0]);
});

test("frameOf() makes a new frame for equal bytes that are not the same", () => {
  const frame = frameOf(payload(50), "text");
  const other = frameOf(payload(50), "text");
  assert.notEqual(other, frame);
  assert.deepEqual(other, frame);
});

test("frameOf() lays frames side by side, and never changes one that it gave out", () => {
  const frames: { readonly frame: Uint8Array; readonly copy: Uint8Array }[] = [];
  let adjacent = 0;
  for (let count = 0; count < 2000; count++) {
    const frame = frameOf(payload(count % 300), "text");
    const before = frames.at(-1)?.frame;
    if (before && before.buffer === frame.buffer && before.byteOffset + before.length === frame.byteOffset) adjacent++;
    frames.push({ frame, copy: frame.slice() });
  }
  assert.ok(adjacent > 1900, `${adjacent} of 2000 follow the one before`);
  for (const { frame, copy } of frames) assert.deepEqual(frame, copy);
});
