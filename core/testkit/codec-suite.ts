import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Codec, CodecFactory } from "../codec.ts";
import { Message, toJsonObject } from "../envelope.ts";
import { BusbarError, errorCode } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import type { Frame } from "../frame.ts";

/** What a frame of a table says: of a message, the fields that are compared (those left out are not); any other frame as a whole. */
export type ExpectedFrame = ExpectedMessage | Exclude<Frame, Message>;

/** The fields of a message that a table gives. `payload` is compared as JSON, bytes as `{"$base64":"…"}`. */
export interface ExpectedMessage {
  readonly kind: "message";
  readonly type?: string;
  readonly from?: string;
  readonly to?: string;
  readonly msgid?: string;
  /** 0 = the time of arrival. */
  readonly timestamp?: number;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly expires?: number;
  readonly replace?: string;
  readonly payload?: unknown;
}

/** One row of the table of (frames, bytes) that drives decoding, encoding and the round trip. */
export interface CodecCase {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the bytes decode to. Left out: these bytes go to the peer only. */
  readonly frames?: readonly ExpectedFrame[];
  /** What encodes to exactly these bytes. Left out: nothing that is tried. */
  readonly encoded?: Message | Exclude<Frame, Message>;
}

/** What the suite needs to know about a codec. */
export interface CodecSuiteOptions {
  /** Shown in front of every test. */
  readonly name: string;
  readonly factory: CodecFactory;
  readonly cases: readonly CodecCase[];
  /** Bytes that must be refused, and how: with a SyntaxError or with a BusbarError of that code. */
  readonly refused: readonly { readonly name: string; readonly bytes: Uint8Array; readonly error: "SyntaxError" | ErrorCode }[];
  /** What the protocol has no word for: encoding it gives undefined. */
  readonly unspeakable?: readonly (Message | Exclude<Frame, Message>)[];
  /** Broken frames that are tried, made from the cases with a fixed seed. Default 20,000. */
  readonly fuzz?: number;
}

/** Everything that must hold for a codec: call it at the top level of a test file. */
export function codecSuite(options: CodecSuiteOptions): void {
  const { name, factory, cases, refused, unspeakable = [], fuzz = 20_000 } = options;
  const decodable = cases.filter(({ frames }) => frames !== undefined);

  describe(`${name} codec`, () => {
    for (const { name: what, bytes, frames } of decodable) {
      it(`decode() reads ${what}`, () => assertFrames(decode(factory.create(), bytes), frames!));
    }

    for (const { name: what, bytes, encoded } of cases) {
      if (encoded === undefined) continue;
      it(`encode() writes ${what}`, () => assert.deepEqual(plainBytes(encode(factory.create(), encoded)), plainBytes(bytes)));
    }

    for (const { name: what, bytes, error } of refused) {
      it(`decode() refuses ${what} with ${error}`, () => {
        const codec = factory.create();
        assert.throws(() => decode(codec, bytes), (thrown) => (error === "SyntaxError" ? thrown instanceof SyntaxError : thrown instanceof BusbarError && thrown.code === error) || assert.fail(`${thrown}`));
        if (decodable.length > 0) assertFrames(decode(codec, decodable[0]!.bytes), decodable[0]!.frames!);
      });
    }

    it("decode() looks at its frame only, wherever it lies, and writes nowhere", () => {
      for (const { bytes, frames } of decodable) {
        for (const fill of [0x00, 0x22, 0xff]) {
          const around = new Uint8Array(bytes.length + 30).fill(fill);
          around.set(bytes, 13);
          const before = around.slice();
          assertFrames(decode(factory.create(), around, 13, 13 + bytes.length), frames!);
          assert.deepEqual(around, before);
        }
      }
    });

    it("decode() gives the same frames again and again, with other frames in between", () => {
      const codec = factory.create();
      for (let round = 0; round < 3; round++) for (const { bytes, frames } of decodable) assertFrames(decode(codec, bytes), frames!);
    });

    it("encode() gives undefined for what the protocol cannot say", () => {
      for (const one of unspeakable) assert.equal(encode(factory.create(), one), undefined);
    });

    it("decode() throws nothing but SyntaxError and BusbarError for frames that are cut off or broken", () => {
      const codec = factory.create();
      for (const { bytes } of decodable) for (let end = 0; end < bytes.length; end++) decodeBroken(codec, bytes, end);
      const random = seeded(20_260_101);
      const until = performance.now() + 2000;
      for (let turn = 0; turn < fuzz && decodable.length > 0 && performance.now() < until; turn++) {
        const bytes = decodable[turn % decodable.length]!.bytes.slice();
        if (bytes.length === 0) continue;
        for (let change = random() % 4; change >= 0; change--) bytes[random() % bytes.length] = random() & 0xff;
        decodeBroken(codec, bytes, bytes.length);
      }
    });
  });
}

/** Decodes, and reads every payload: it may be parsed only when somebody asks. */
function decode(codec: Codec, bytes: Uint8Array, start = 0, end = bytes.length): readonly Frame[] {
  const decoded = codec.decode(bytes, start, end);
  return "kind" in decoded ? [decoded] : decoded;
}

function encode(codec: Codec, frame: Message | Exclude<Frame, Message>): Uint8Array | undefined {
  return frame.kind === "message" ? codec.encodeMessage(frame, undefined) : codec.encode(frame);
}

function decodeBroken(codec: Codec, bytes: Uint8Array, end: number): void {
  let frames: readonly Frame[];
  try {
    frames = decode(codec, bytes, 0, end);
  } catch (error) {
    assert.ok(error instanceof SyntaxError || (error instanceof BusbarError && errorCode(error) !== "INTERNAL"), `${error} for ${Buffer.from(bytes.subarray(0, end)).toString("hex")}`);
    return;
  }
  for (const frame of frames) for (const message of messagesOf(frame)) JSON.stringify(message.payload); // what was taken must be usable
}

function messagesOf(frame: Frame): readonly Message[] {
  return frame.kind === "message" ? [frame] : frame.kind === "batch" ? frame.messages : [];
}

function assertFrames(actual: readonly Frame[], expected: readonly ExpectedFrame[]): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((wanted, at) => {
    const frame = actual[at]!;
    assert.equal(frame.kind, wanted.kind);
    if (wanted.kind !== "message" || frame.kind !== "message") return assert.deepEqual(frame, wanted);
    const fields: Readonly<Record<string, unknown>> = toJsonObject(frame);
    for (const [field, value] of Object.entries(wanted)) {
      if (field === "kind") continue;
      if (field === "payload") assert.deepEqual(fields[field], JSON.parse(new Message("x", "", "", "", 0, 0, false, undefined, value).payloadText()), "payload");
      else assert.deepEqual(fields[field], value, field);
    }
  });
}

/** Without the class: a Buffer equals a Uint8Array with the same bytes. */
const plainBytes = (bytes: Uint8Array | undefined): Uint8Array | undefined => bytes && new Uint8Array(bytes);

/** Numbers below 2^32 that are the same in every run (xorshift32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
