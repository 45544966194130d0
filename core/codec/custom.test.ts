import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createMessage } from "../envelope.ts";
import { BusbarError } from "../errors.ts";
import { codecSuite } from "../testkit/codec-suite.ts";
import { createCustomCodec, type CustomCodecOptions } from "./custom.ts";

const descriptorSet = new Uint8Array(readFileSync(new URL("./testdata/every-type.binpb", import.meta.url)));
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
const make = (name: string, init: object): Uint8Array => {
  const desc = registry.getMessage(`test.codec.${name}`)!;
  return toBinary(desc, create(desc, init as never));
};
const machine = { descriptorSet, message: "test.codec.Machine", from: "{header.line}/{header.device}" } satisfies CustomCodecOptions;
const header = { line: "line-1", device: "press" };

codecSuite({
  name: "custom, whole message",
  factory: createCustomCodec({ ...machine, timestamp: "seconds", timestampUnit: "s", command: "test.codec.Order" }),
  cases: [
    {
      name: "a message",
      bytes: make("Machine", { header, seconds: 1_634_567_890n, temperature: 21.3, raw: Uint8Array.of(1, 2), mode: -2, samples: [{ name: "a", value: 1 }] }),
      frames: [{ kind: "message", type: "status", from: "line-1/press", timestamp: 1_634_567_890_000, payload: { header, seconds: 1_634_567_890, samples: [{ name: "a", value: 1, unit: "", quality: "" }], temperature: 21.3, raw: { $base64: "AQI=" }, mode: "AUTO" } }],
    },
    { name: "a command", bytes: make("Order", { switch: "fan", level: 0.5, mode: 1 }), encoded: createMessage({ type: "command", to: "line-1/press", payload: { switch: "fan", level: 0.5, mode: "ON" } }) },
  ],
  refused: [
    { name: "a message that does not say who sent it", bytes: make("Machine", { header: { line: "", device: "" } }), error: "BAD_FRAME" },
    { name: "a sender that is no id", bytes: make("Machine", { header: { line: "a b", device: "c" } }), error: "BAD_FRAME" },
    { name: "bytes that do not decode", bytes: Buffer.from("hello"), error: "SyntaxError" },
  ],
  unspeakable: [
    createMessage({ type: "command", to: "x", payload: { swich: "fan" } }), createMessage({ type: "command", to: "x", payload: { switch: 1 } }), createMessage({ type: "command", to: "x", payload: "fan" }),
    createMessage({ type: "status", from: "x", payload: { switch: "fan" } }), { kind: "ping" },
  ],
});

codecSuite({
  name: "custom, a list of readings",
  factory: createCustomCodec({ ...machine, from: "header.device", timestamp: "at", type: "event", payload: { list: "samples", tag: "name", value: "value", unit: "unit", quality: "quality" } }),
  cases: [
    {
      name: "samples",
      bytes: make("Machine", { header, at: { $typeName: "google.protobuf.Timestamp", seconds: 5n, nanos: 7_999_999 }, samples: [{ name: "a", value: 1.5, unit: "V" }, { name: "b", value: Number.NaN }, { name: "c", value: 2, quality: "uncertain" }] }),
      frames: [{ kind: "message", type: "event", from: "press", timestamp: 5007, payload: { values: [{ tag: "a", value: 1.5, unit: "V" }, { tag: "b", value: null, quality: "bad" }, { tag: "c", value: 2, quality: "uncertain" }], quality: "good" } }],
    },
    { name: "no samples", bytes: make("Machine", { header }), frames: [{ kind: "message", timestamp: 0, payload: { values: [], quality: "good" } }] },
  ],
  refused: [
    { name: "a sample without a name", bytes: make("Machine", { header, samples: [{ value: 1 }] }), error: "BAD_FRAME" },
    { name: "a quality there is not", bytes: make("Machine", { header, samples: [{ name: "a", quality: "fine" }] }), error: "BAD_FRAME" },
    { name: "no header", bytes: new Uint8Array(0), error: "BAD_FRAME" },
  ],
  unspeakable: [createMessage({ type: "command", to: "x", payload: {} })],
});

codecSuite({
  name: "custom, fields as readings",
  factory: createCustomCodec({ ...machine, payload: { readings: { temp: { field: "temperature", unit: "°C" }, running: "running", mode: "mode" } } }),
  cases: [
    { name: "all fields", bytes: make("Machine", { header, temperature: 20.1, running: true, mode: 1 }), frames: [{ kind: "message", payload: { values: [{ tag: "temp", value: 20.1, unit: "°C" }, { tag: "running", value: true }, { tag: "mode", value: "ON" }], quality: "good" } }] },
    { name: "an absent field", bytes: make("Machine", { header }), frames: [{ kind: "message", payload: { values: [{ tag: "temp", value: 0, unit: "°C" }, { tag: "mode", value: "OFF" }], quality: "good" } }] },
  ],
  refused: [],
});

codecSuite({
  name: "custom, one field",
  factory: createCustomCodec({ ...machine, payload: { field: "raw" } }),
  cases: [{ name: "bytes", bytes: make("Machine", { header, raw: Uint8Array.of(1, 2) }), frames: [{ kind: "message", payload: Uint8Array.of(1, 2) }] }],
  refused: [],
});

describe("createCustomCodec()", () => {
  it("reads times in every unit", () => {
    for (const [timestampUnit, seconds] of [["s", 1_700_000_000n], ["ms", 1_700_000_000_000n], ["us", 1_700_000_000_000_000n], ["ns", 1_700_000_000_000_000_000n]] as const) {
      const bytes = make("Machine", { header, seconds });
      const frame = createCustomCodec({ ...machine, timestamp: "seconds", timestampUnit }).create().decode(bytes, 0, bytes.length);
      assert.ok("timestamp" in frame && frame.timestamp === 1_700_000_000_000, timestampUnit);
    }
  });

  const wrong: readonly { readonly options: Partial<CustomCodecOptions>; readonly says: string }[] = [
    { options: { descriptorSet: Uint8Array.of(1, 2, 3) }, says: "Cannot read the descriptor set: it is no FileDescriptorSet with all its imports (protoc needs --include_imports)" },
    { options: { message: "test.codec.Machin" }, says: 'Cannot use message "test.codec.Machin": the descriptor set has test.codec.Point, test.codec.EveryType,' },
    { options: { message: "test.codec.WithGroup", from: "a" }, says: 'Cannot compile test.codec.WithGroup: its field "part" is encoded as a group' },
    { options: { from: "header.devise" }, says: 'Cannot use field "header.devise": test.codec.Machine.Header has line, device' },
    { options: { from: "{header}" }, says: 'Cannot use field "header" of test.codec.Machine here: it is not one number, text, boolean or enum' },
    { options: { from: "temperature.x" }, says: 'Cannot use field "temperature.x": field test.codec.Machine.temperature has no fields of its own' },
    { options: { from: "line-{header.line" }, says: 'Cannot use "line-{header.line" as sender: an id has no "line-{header.line"; fields stand in braces, {header}' },
    { options: { timestamp: "raw" }, says: 'Cannot use field "raw" as timestamp: it is neither a number nor a google.protobuf.Timestamp' },
    { options: { type: "Status" }, says: 'Cannot use "Status" as type' },
    { options: { payload: { list: "header", tag: "a", value: "b" } }, says: 'Cannot use field "header" as a list of readings: it is not a repeated message' },
    { options: { command: "test.codec.Odrer" }, says: 'Cannot use message "test.codec.Odrer"' },
  ];
  for (const { options, says } of wrong) {
    it(`throws CONFIG: ${says.slice(0, 70)}`, () => {
      assert.throws(() => createCustomCodec({ ...machine, ...options }), (error) => (error instanceof BusbarError && error.code === "CONFIG" && error.message.startsWith(says)) || assert.fail(String(error)));
    });
  }
});
