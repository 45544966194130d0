import assert from "node:assert/strict";
import { BusbarError, lengthFraming, lineFraming, varintFraming, type Framing } from "@busbar/core";
import { bytesOf, type FuzzTarget } from "../engine/fuzz-target.ts";
import { shape } from "./codecs.ts";

const limit = 300;

/** What a stream was cut into, and why it ended. */
function cut(framing: Framing, bytes: Uint8Array, sizes: (at: number) => number): { readonly frames: readonly string[]; readonly end: string } {
  const deframer = framing.createDeframer(limit);
  const frames: string[] = [];
  try {
    for (let at = 0; at < bytes.length; ) {
      const size = Math.max(1, sizes(at));
      deframer.push(bytes.slice(at, at + size), (buffer, start, end) => {
        assert.ok(end - start <= limit, "no frame is longer than the limit");
        frames.push(Buffer.from(buffer.subarray(start, end)).toString("hex"));
      });
      assert.ok(deframer.pending <= limit + 16, "no more is held than one frame");
      at += size;
    }
    return { frames, end: "open" };
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof BusbarError && error.code === "TOO_LARGE")) throw error;
    return { frames, end: shape(error.message) };
  }
}

/** The same stream in one piece, byte by byte, and in pieces that the input itself decides: always the same frames, and the same end. */
function framingTarget(name: string, framing: Framing): FuzzTarget {
  const seeds = [[], ["a"], ["abc", "", "x".repeat(200)], Array<string>(20).fill("frame")].map((texts) => Buffer.concat(texts.map((text) => framing.frame(bytesOf(text)))));
  return {
    name,
    about: "the bytes of a TCP connection, before anything else looks at them",
    seeds: seeds.map((bytes) => new Uint8Array(bytes)),
    open: () => (bytes) => {
      const whole = cut(framing, bytes, () => bytes.length);
      assert.deepEqual(cut(framing, bytes, () => 1), whole, "byte by byte");
      assert.deepEqual(cut(framing, bytes, (at) => bytes[at]! & 31), whole, "in pieces");
      return `${Math.min(whole.frames.length, 9)} frames, ${whole.end}`;
    },
  };
}

/** How byte streams are cut into frames. */
export const framingTargets: readonly FuzzTarget[] = [
  framingTarget("framing-varint", varintFraming),
  framingTarget("framing-u16be", lengthFraming("u16be")),
  framingTarget("framing-u32le", lengthFraming("u32le")),
  framingTarget("framing-line", lineFraming()),
];
