import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { framingSuite } from "../testkit/framing-suite.ts";
import { lineFraming } from "./line.ts";

const without = (delimiter: string) => (payload: Uint8Array): boolean => Buffer.concat([payload, Buffer.from(delimiter)]).indexOf(delimiter) === payload.length;

framingSuite({ name: "line", framing: lineFraming(), carries: without("\n") });
framingSuite({ name: "CRLF", framing: lineFraming({ delimiter: "\r\n" }), carries: without("\r\n") });
framingSuite({ name: "delimiter that begins like itself", framing: lineFraming({ delimiter: "aab" }), carries: (payload) => without("aab")(payload) && payload.length < 400 });
framingSuite({ name: "line with an optional carriage return", framing: lineFraming({ dropCarriageReturn: true }), carries: (payload) => without("\n")(payload) && payload.at(-1) !== 13 });

describe("line framing", () => {
  const cut = (framing: ReturnType<typeof lineFraming>, chunks: readonly string[]): string[] => {
    const lines: string[] = [];
    const deframer = framing.createDeframer(100);
    for (const chunk of chunks) deframer.push(Buffer.from(chunk), (bytes, start, end) => lines.push(Buffer.from(bytes.subarray(start, end)).toString()));
    return lines;
  };

  it("push() drops the carriage return before the delimiter only where it was asked to", () => {
    assert.deepEqual(cut(lineFraming(), ["a\r\nb\n"]), ["a\r", "b"]);
    assert.deepEqual(cut(lineFraming({ dropCarriageReturn: true }), ["a\r", "\nb\r\r\n\r\n"]), ["a", "b\r", ""]);
  });

  it("push() finds a delimiter that is spread over many chunks, and not one that only looks like it", () => {
    assert.deepEqual(cut(lineFraming({ delimiter: "--end--" }), ["x--en", "d-", "-y-", "-end--", "--end--"]), ["x", "y", ""]);
    assert.deepEqual(cut(lineFraming({ delimiter: "aa" }), ["a", "aa", "a"]), ["", ""]);
  });

  it("push() looks at each byte of a long line once", () => {
    const deframer = lineFraming().createDeframer(8 << 20);
    const chunk = new Uint8Array(64).fill(97);
    const from = performance.now();
    for (let turn = 0; turn < 65_536; turn++) deframer.push(chunk, () => {});
    assert.equal(deframer.pending, 4 << 20);
    assert.ok(performance.now() - from < 3000);
  });

  it("frame() throws RangeError for a payload that would not come out as it went in", () => {
    assert.throws(() => lineFraming().frame(Buffer.from("a\nb")), new RangeError("Cannot frame 3 bytes: the delimiter is found at byte 1"));
    assert.throws(() => lineFraming({ delimiter: "\r\n" }).frame(Buffer.from("a\r\n")), RangeError);
    assert.throws(() => lineFraming({ delimiter: "aa" }).frame(Buffer.from("ba")), RangeError);
    assert.throws(() => lineFraming({ dropCarriageReturn: true }).frame(Buffer.from("a\r")), RangeError);
  });

  it("lineFraming() throws RangeError for an empty delimiter", () => {
    assert.throws(() => lineFraming({ delimiter: "" }), RangeError);
  });
});
