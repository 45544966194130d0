import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import type { Deframer, Framing } from "../codec.ts";
import { BusbarError } from "../errors.ts";

/** What the suite needs to know about a framing. */
export interface FramingSuiteOptions {
  /** Shown in front of every test. */
  readonly name: string;
  readonly framing: Framing;
  /** Whether the framing can carry this payload; the others are not tried. Default: all of them. */
  readonly carries?: (payload: Uint8Array) => boolean;
  /** The longest payload the framing can say. Default: no limit that a test would reach. */
  readonly longest?: number;
  /** Bytes that are no frame: each must end in a SyntaxError, however it is cut. */
  readonly garbage?: readonly Uint8Array[];
  /** The beginning of a frame that says it is longer than `limit` bytes: it must be refused before any of its payload has come. Left out where a frame does not say how long it is. */
  readonly announces?: { readonly limit: number; readonly bytes: Uint8Array };
}

/** Everything that must hold for a `Framing`: call it at the top level of a test file. */
export function framingSuite(options: FramingSuiteOptions): void {
  const { name, framing, carries = () => true, longest = 100_000, garbage = [], announces } = options;
  const payloads = [0, 1, 2, 3, 60, 127, 128, 200, 255, 256, 1000, 16_383, 16_384, 70_000].filter((size) => size <= longest).map((size) => makePayload(size, carries));

  describe(`${name} framing`, () => {
    it("frame() and push() give each payload back", () => {
      for (const payload of payloads) assert.deepEqual(cut(framing, [framing.frame(payload)]), [payload]);
    });

    it("push() gives the same frames at every place where the stream may be split in two", () => {
      const few = payloads.filter((payload) => payload.length <= 1000);
      const stream = join(few.map((payload) => framing.frame(payload)));
      for (let at = 0; at <= stream.length; at++) assert.deepEqual(cut(framing, [stream.subarray(0, at), stream.subarray(at)]), few, `split at ${at}`);
    });

    it("push() gives the same frames a byte at a time", () => {
      const few = payloads.filter((payload) => payload.length <= 20_000);
      const stream = join(few.map((payload) => framing.frame(payload)));
      assert.deepEqual(cut(framing, Array.from(stream, (_, at) => stream.subarray(at, at + 1))), few);
    });

    it("push() gives the same frames however the stream is cut", () => {
      const payload = fc.uint8Array({ maxLength: Math.min(400, longest) }).filter(carries);
      fc.assert(
        fc.property(fc.array(payload, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 40 }), (list, sizes) => {
          const stream = join(list.map((one) => framing.frame(one)));
          const chunks: Uint8Array[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const size = sizes[turn % sizes.length]!;
            chunks.push(stream.subarray(at, at + size));
            at += size;
          }
          assert.deepEqual(cut(framing, chunks), list);
        }),
        { numRuns: 150, seed: 20_260_101 },
      );
    });

    it("push() hands out frames in place where they lie wholly in the chunk", () => {
      const stream = join(payloads.map((payload) => framing.frame(payload)));
      let count = 0;
      framing.createDeframer(stream.length).push(stream, (bytes) => {
        assert.equal(bytes, stream);
        count++;
      });
      assert.equal(count, payloads.length);
    });

    it("push() never writes to a buffer that it has handed out, nor to a chunk", () => {
      const list = payloads.filter((payload) => payload.length <= 1000);
      const stream = join([...list, ...list].map((payload) => framing.frame(payload)));
      const before = stream.slice();
      const seen: { bytes: Uint8Array; start: number; end: number; copy: Uint8Array }[] = [];
      const deframer = framing.createDeframer(100_000);
      for (let at = 0; at < stream.length; at += 7) deframer.push(stream.subarray(at, at + 7), (bytes, start, end) => seen.push({ bytes, start, end, copy: bytes.slice(start, end) }));
      assert.equal(seen.length, 2 * list.length);
      for (const { bytes, start, end, copy } of seen) assert.deepEqual(bytes.subarray(start, end), copy);
      assert.deepEqual(stream, before);
    });

    it("pending says whether a frame has begun, and never more than was received", () => {
      const frame = framing.frame(makePayload(Math.min(200, longest), carries));
      const deframer = framing.createDeframer(1000);
      assert.equal(deframer.pending, 0);
      for (let at = 0; at < frame.length - 1; at++) {
        deframer.push(frame.subarray(at, at + 1), () => assert.fail("a frame before its end"));
        assert.ok(deframer.pending > 0 && deframer.pending <= at + 1, `${deframer.pending} pending after ${at + 1} bytes`);
      }
      deframer.push(frame.subarray(frame.length - 1), () => {});
      assert.equal(deframer.pending, 0);
    });

    it("push() takes a frame as long as the limit and refuses one a byte longer, however it is cut", () => {
      const limit = Math.min(300, longest - 1);
      const fits = makePayload(limit, carries);
      const exceeds = framing.frame(makePayload(limit + 1, carries));
      assert.deepEqual(cut(framing, [framing.frame(fits)], limit), [fits]);
      for (const size of [1, 7, exceeds.length]) assert.throws(() => cut(framing, slices(exceeds, size), limit), isTooLarge);
    });

    it("push() goes on refusing once a frame was too large", () => {
      const limit = Math.min(300, longest - 1);
      const deframer = framing.createDeframer(limit);
      const none = (): never => assert.fail("a frame after the stream was lost");
      assert.throws(() => deframer.push(framing.frame(makePayload(limit + 1, carries)), none), isTooLarge);
      assert.throws(() => deframer.push(framing.frame(makePayload(3, carries)), none), isTooLarge);
    });

    if (announces !== undefined) {
      it("push() refuses a frame that announces too much before its payload comes", () => {
        for (const size of [1, announces.bytes.length]) assert.throws(() => cut(framing, slices(announces.bytes, size), announces.limit), isTooLarge);
      });
    }

    if (garbage.length > 0) {
      it("push() throws SyntaxError for what is no frame, naming the byte, and stays that way", () => {
        for (const bytes of garbage) {
          for (const size of [1, 2, bytes.length]) assert.throws(() => cut(framing, slices(bytes, size)), isSyntaxError);
          const deframer = framing.createDeframer(1000);
          assert.throws(() => deframer.push(bytes, () => {}), isSyntaxError);
          assert.throws(() => deframer.push(framing.frame(makePayload(3, carries)), () => assert.fail("a frame after the stream was lost")), isSyntaxError);
        }
      });
    }

    it("push() throws nothing but TOO_LARGE and SyntaxError for random bytes, and holds no more than it received", () => {
      fc.assert(
        fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 20 }), (chunks) => {
          const deframer = framing.createDeframer(500);
          let received = 0;
          for (const chunk of chunks) {
            received += chunk.length;
            if (!pushRandom(deframer, chunk)) return;
            assert.ok(deframer.pending <= received);
          }
        }),
        { numRuns: 500, seed: 20_260_102 },
      );
    });
  });
}

/** Cuts `chunks` with a new deframer. Returns copies of the frames. */
function cut(framing: Framing, chunks: readonly Uint8Array[], limit = 100_000): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const deframer = framing.createDeframer(limit);
  for (const chunk of chunks) deframer.push(chunk, (bytes, start, end) => frames.push(new Uint8Array(bytes.subarray(start, end))));
  assert.equal(deframer.pending, 0);
  return frames;
}

/** Whether the deframer can go on. */
function pushRandom(deframer: Deframer, chunk: Uint8Array): boolean {
  try {
    deframer.push(chunk, (bytes, start, end) => assert.ok(start >= 0 && start <= end && end <= bytes.length && end - start <= 500));
    return true;
  } catch (error) {
    if (!isTooLarge(error) && !isSyntaxError(error)) throw error;
    return false;
  }
}

/** `size` bytes that the framing can carry: every byte value in turn where it can, letters elsewhere. */
function makePayload(size: number, carries: (payload: Uint8Array) => boolean): Uint8Array {
  const payload = Uint8Array.from({ length: size }, (_, at) => at & 0xff);
  return carries(payload) ? payload : Uint8Array.from({ length: size }, (_, at) => 97 + (at % 26));
}

function slices(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, turn) => bytes.subarray(turn * size, (turn + 1) * size));
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const isTooLarge = (error: unknown): boolean => error instanceof BusbarError && error.code === "TOO_LARGE" && /\d/.test(error.message);
const isSyntaxError = (error: unknown): boolean => error instanceof SyntaxError && /byte \d+/.test(error.message);
