import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { answerData, encodeMaskWrite, encodeRead, encodeWriteCoil, encodeWriteCoils, encodeWriteRegister, encodeWriteRegisters } from "./pdu.ts";
import { crc16, encodeRtuFrame, RtuFrames } from "./rtu-frames.ts";
import { encodeTcpFrame, TcpFrames } from "./tcp-frames.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString("hex");

/** Requests and answers of the specification's own examples (V1.1b3 §6.1-6.16), and what the answer brings. */
for (const [what, request, bytes, answer, data] of [
  ["coils", encodeRead("coil", 19, 19), "0100130013", "0103cd6b05", "cd6b05"],
  ["discrete inputs", encodeRead("discrete", 196, 22), "0200c40016", "0203acdb35", "acdb35"],
  ["holding registers", encodeRead("holding", 107, 3), "03006b0003", "0306022b00000064", "022b00000064"],
  ["input registers", encodeRead("input", 8, 1), "0400080001", "0402000a", "000a"],
  ["one coil", encodeWriteCoil(172, true), "0500acff00", "0500acff00", "00acff00"],
  ["one register", encodeWriteRegister(1, 3), "0600010003", "0600010003", "00010003"],
  ["coils to write", encodeWriteCoils(19, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0].map(Boolean)), "0f0013000a02cd01", "0f0013000a", "0013000a"],
  ["registers to write", encodeWriteRegisters(1, [10, 258]), "100001000204000a0102", "1000010002", "00010002"],
  ["a mask", encodeMaskWrite(4, 0x0d, 0x0025), "160004fff20005", "160004fff20005", "0004fff20005"],
] as const) {
  test(`answerData() takes the answer about ${what}`, () => {
    assert.equal(text(request), bytes);
    assert.equal(text(answerData(request, hex(answer))), data);
  });
}

for (const [what, request, answer, code] of [
  ["an exception", encodeRead("holding", 0, 1), "8302", "modbus/02 illegal data address"],
  ["an exception without a name", encodeRead("holding", 0, 1), "8377", "modbus/77 unknown exception"],
  ["another function", encodeRead("holding", 0, 1), "0402000a", "malformed answer"],
  ["fewer registers", encodeRead("holding", 0, 2), "0302000a", "malformed answer"],
  ["more registers", encodeRead("holding", 0, 1), "0304000a000b", "malformed answer"],
  ["a byte count that lies", encodeRead("holding", 0, 1), "0304000a", "malformed answer"],
  ["another exception", encodeRead("holding", 0, 1), "8402", "malformed answer"],
  ["exception 0", encodeRead("holding", 0, 1), "8300", "malformed answer"],
  ["nothing", encodeRead("holding", 0, 1), "", "malformed answer"],
  ["another value written", encodeWriteRegister(1, 3), "0600010004", "malformed answer"],
  ["another number of registers written", encodeWriteRegisters(1, [3]), "1000010002", "malformed answer"],
] as const) {
  test(`answerData() refuses ${what}`, () => assert.throws(() => answerData(request, hex(answer)), { code }));
}

test("crc16() is that of the specification's example", () => {
  assert.equal(crc16(hex("0207"), 0, 2), 0x1241); // Modbus over Serial Line V1.02 §6.2.2
  assert.equal(text(encodeRtuFrame(2, hex("07"))), "02074112");
});

test("TcpFrames cuts answers the same way however they come in", () => {
  const stream = Uint8Array.from([...encodeTcpFrame(1, 7, hex("0302000a")), ...encodeTcpFrame(0xffff, 255, hex("8302")), ...encodeTcpFrame(2, 0, new Uint8Array(253).fill(3))]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 40 }), (sizes) => {
      const frames = new TcpFrames();
      const seen: unknown[] = [];
      let at = 0;
      for (const size of [...sizes, stream.length]) {
        frames.push(stream.subarray(at, at + size), (transaction, unit, pdu) => void seen.push([transaction, unit, pdu.length]));
        at += size;
      }
      assert.deepEqual(seen, [[1, 7, 4], [0xffff, 255, 2], [2, 0, 253]]);
      assert.equal(frames.pending, 0);
    }),
    { numRuns: 100 },
  );
});

for (const [what, bytes] of [["a protocol id other than 0", "000100010004010302000a"], ["a length of 1", "00010000000101"], ["a length of 255", "0001000000ff01"]] as const) {
  test(`TcpFrames refuses ${what}`, () => assert.throws(() => new TcpFrames().push(hex(bytes), () => assert.fail("taken")), SyntaxError));
}

test("RtuFrames finds an answer in noise, in whatever pieces it comes, and takes no other one", () => {
  const right = encodeRtuFrame(7, hex("0304000a000b"));
  const others = [encodeRtuFrame(8, hex("0304ffffffff")), encodeRtuFrame(7, hex("0404ffffffff")), encodeRtuFrame(7, hex("0302ffff")), Uint8Array.from(right, (byte, at) => (at === 4 ? byte ^ 1 : byte))];
  const noise = fc.array(fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(...others)), { maxLength: 6 });
  fc.assert(
    fc.property(noise, fc.integer({ min: 1, max: 20 }), (before, size) => {
      const counts = { noise: 0 };
      const frames = new RtuFrames(counts);
      const stream = Uint8Array.from([...before.flatMap((part) => [...part]), ...right]);
      let found: Uint8Array | undefined;
      for (let at = 0; at < stream.length && !found; at += size) found = frames.push(stream.subarray(at, at + size), { unit: 7, code: 3, bytes: 4 });
      assert.equal(text(found), "0304000a000b");
      assert.equal(counts.noise, stream.length - right.length);
    }),
    { numRuns: 300 },
  );
});

test("RtuFrames holds a bounded amount of noise, and finds the answer behind it", () => {
  const frames = new RtuFrames({ noise: 0 });
  for (let n = 0; n < 100; n++) assert.equal(frames.push(new Uint8Array(333).fill(7), { unit: 7, code: 3, bytes: 2 }), undefined);
  assert.equal(text(frames.push(encodeRtuFrame(7, hex("0302000a")), { unit: 7, code: 3, bytes: 2 })), "0302000a");
});
