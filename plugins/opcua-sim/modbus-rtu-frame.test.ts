import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRtuDeframer, crc16, encodeRtuFrame } from "./modbus-rtu-frame.ts";

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** Requests with their check sums, as pymodbus 3.0 sends them. */
const requests = ["010300000002c40b", "11050013ff007f6e".replace("7f6e", crcOf("11050013ff00")), "0110000000020400010002" + crcOf("0110000000020400010002"), "01160004ffff0001" + crcOf("01160004ffff0001"), "0117000000010000000102002a" + crcOf("0117000000010000000102002a"), "012b0e0100" + crcOf("012b0e0100")];

function crcOf(text: string): string {
  const crc = crc16(hex(text));
  return Buffer.of(crc & 0xff, crc >> 8).toString("hex");
}

test("crc16() gives the check sums of Modbus Serial Line V1.02", () => {
  assert.equal(crcOf("0207"), "4112", "the example of §6.2.2");
  assert.equal(Buffer.from(encodeRtuFrame(1, hex("0300000002"))).toString("hex"), "010300000002c40b");
});

test("createRtuDeframer() gives the same frames however they are chunked", () => {
  const all = hex(requests.join(""));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 60 }), (sizes) => {
      const frames: string[] = [];
      const deframer = createRtuDeframer(() => assert.fail("nothing is to be dropped"));
      let at = 0;
      for (const size of [...sizes, all.length]) {
        deframer.push(all.slice(at, at + size), (bytes, start, end) => void frames.push(Buffer.from(bytes.subarray(start, end)).toString("hex")));
        at += size;
      }
      assert.deepEqual(frames, requests);
      assert.equal(deframer.pending, 0);
    }),
    { numRuns: 200 },
  );
});

test("createRtuDeframer() drops what has a wrong check sum and takes what comes after it", () => {
  let dropped = 0;
  const frames: string[] = [];
  const deframer = createRtuDeframer(() => void dropped++);
  for (const chunk of ["ffffffffffff", "010300000002c40c", "010300000002c40b"]) deframer.push(hex(chunk), (bytes, start, end) => void frames.push(Buffer.from(bytes.subarray(start, end)).toString("hex")));
  assert.deepEqual([dropped, frames], [2, ["010300000002c40b"]]);
});

test("createRtuDeframer() holds at most one frame whatever it is sent", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (chunks) => {
      const deframer = createRtuDeframer(() => {});
      for (const chunk of chunks) deframer.push(chunk, () => {});
      assert.ok(deframer.pending <= 600, `${deframer.pending} bytes are held`);
    }),
    { numRuns: 500 },
  );
});
