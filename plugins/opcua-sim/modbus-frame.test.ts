import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createModbusDeframer, encodeModbusAnswer, maxModbusFrame, modbusPdu, modbusUnitId } from "./modbus-frame.ts";

const frameOf = (transaction: number, unit: number, pdu: Uint8Array): Uint8Array => encodeModbusAnswer(Uint8Array.of(transaction >> 8, transaction & 0xff, 0, 0, 0, 0, unit), pdu);

function split(chunks: readonly Uint8Array[]): string[] {
  const deframer = createModbusDeframer();
  const frames: string[] = [];
  for (const chunk of chunks) deframer.push(chunk, (bytes, start, end) => void frames.push(Buffer.from(bytes.subarray(start, end)).toString("hex")));
  assert.ok(deframer.pending < maxModbusFrame);
  return frames;
}

test("createModbusDeframer() cuts the same frames out of any chunking", () => {
  const frame = fc.tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 255 }), fc.uint8Array({ minLength: 1, maxLength: 253 })).map(([transaction, unit, pdu]) => frameOf(transaction, unit, pdu));
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 }), (frames, sizes) => {
      const bytes = Buffer.concat(frames);
      const chunks: Uint8Array[] = [];
      for (let at = 0, k = 0; at < bytes.length; k++) {
        const size = sizes[k % sizes.length]!;
        chunks.push(new Uint8Array(bytes.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(split(chunks), frames.map((one) => Buffer.from(one).toString("hex")));
    }),
  );
});

test("createModbusDeframer() never hands out a buffer that it writes to again", () => {
  const deframer = createModbusDeframer();
  const kept: { readonly view: Uint8Array; readonly hex: string }[] = [];
  for (let k = 0; k < 5; k++) {
    const frame = frameOf(k, k, Uint8Array.of(3, 0, k, 0, 1));
    for (let at = 0; at < frame.length; at += 3) {
      deframer.push(frame.slice(at, at + 3), (bytes, start, end) => {
        const view = bytes.subarray(start, end);
        kept.push({ view, hex: Buffer.from(view).toString("hex") });
      });
    }
  }
  assert.equal(kept.length, 5);
  for (const { view, hex } of kept) assert.equal(Buffer.from(view).toString("hex"), hex);
});

test("createModbusDeframer() refuses a wrong protocol id and length and says where", () => {
  const good = Buffer.from(frameOf(1, 1, Uint8Array.of(3, 0, 0, 0, 1)));
  const cases: readonly [string, RegExp][] = [
    ["000100010006010300000001", /at byte 12: its protocol id is 1, not 0/],
    ["00010000000001", /its length is 0, not 2-254/],
    ["00010000000101", /its length is 1, not 2-254/],
    ["0001000000ff01", /its length is 255, not 2-254/],
    ["00010000ffff01", /its length is 65535, not 2-254/],
  ];
  for (const [hex, message] of cases) {
    const bytes = Buffer.concat([good, Buffer.from(hex, "hex")]);
    assert.throws(() => split([bytes]), (error) => error instanceof SyntaxError && message.test(error.message));
    assert.throws(() => split([...bytes].map((byte) => Uint8Array.of(byte))), (error) => error instanceof SyntaxError && message.test(error.message));
  }
});

test("createModbusDeframer() goes on refusing once the stream is lost", () => {
  const deframer = createModbusDeframer();
  assert.throws(() => deframer.push(Buffer.from("00010001000601", "hex"), () => {}), SyntaxError);
  assert.throws(() => deframer.push(frameOf(1, 1, Uint8Array.of(3)), () => assert.fail("a frame after the stream was lost")), SyntaxError);
});

test("createModbusDeframer() takes any bytes without anything but a SyntaxError", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 10 }), (chunks) => {
      try {
        split(chunks);
      } catch (error) {
        assert.ok(error instanceof SyntaxError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("encodeModbusAnswer() keeps transaction and unit of the request", () => {
  const answer = frameOf(0xabcd, 17, Uint8Array.of(4, 2, 0, 9));
  assert.equal(Buffer.from(answer).toString("hex"), "abcd000000051104020009");
  assert.equal(modbusUnitId(answer), 17);
  assert.deepEqual([...modbusPdu(answer)], [4, 2, 0, 9]);
});
