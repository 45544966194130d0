import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { create, createFileRegistry, fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { compileMessage } from "./compile.ts";

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(new URL("./testdata/every-type.binpb", import.meta.url))));
const find = (name: string): DescMessage => registry.getMessage(`test.codec.${name}`)!;
const everyType = find("EveryType");
const compiled = compileMessage(everyType);
const decode = (bytes: Uint8Array) => compiled.decode(bytes, 0, bytes.length);
const written = (write: (writer: BinaryWriter) => unknown): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
};

/** What `compileMessage` makes of a message of @bufbuild/protobuf, whose fields have other names and whose 64-bit integers are bigints. */
function fromReference(message: Message, desc: DescMessage): Record<string, unknown> {
  const result: Record<string, unknown> = Object.create(null);
  const one = (value: unknown, type: DescMessage | undefined): unknown => {
    if (type !== undefined && value !== undefined) return fromReference(value as Message, type);
    return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : typeof value === "bigint" ? String(value) : value;
  };
  const source = message as unknown as Record<string, unknown>;
  for (const field of desc.fields) {
    const choice = field.oneof && (source[field.oneof.localName] as { case?: string; value?: unknown });
    const value = choice ? (choice.case === field.localName ? choice.value : undefined) : Object.hasOwn(source, field.localName) || field.presence === 2 ? source[field.localName] : undefined;
    if (field.fieldKind === "list") result[field.name] = (value as unknown[]).map((item) => one(item, field.message));
    else if (field.fieldKind === "map") result[field.name] = Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, one(item, field.message)]));
    else result[field.name] = one(value, field.message);
  }
  return result;
}

/** Takes prototypes away, so that deepEqual compares what counts. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [`.${key}`, bare(item)]));
}

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.maxSafeInteger().map(BigInt), fc.integer().map(BigInt));
const uint64 = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat().map(BigInt));
const float = fc.float().map((value) => (value === 0 ? 0 : value));
const double = fc.double().map((value) => (value === 0 ? 0 : value));
const text = fc.string({ unit: "grapheme", maxLength: 50 });
const bytes = fc.uint8Array({ maxLength: 20 });
const mode = fc.oneof(fc.constantFrom(0, 1, -2), int32);
const few = <T>(value: fc.Arbitrary<T>) => fc.array(value, { maxLength: 4 });
const point = fc.letrec<{ point: object }>((tie) => ({ point: fc.record({ x: int32, y: int32, next: tie("point") }, { requiredKeys: [] }) })).point.map((value) => nest(value));
const nest = (value: object): Message => create(find("Point"), { ...value, ...("next" in value && value.next ? { next: nest(value.next as object) } : {}) } as never);
const choice = fc.oneof(
  text.map((value) => ({ case: "text", value })), int64.map((value) => ({ case: "number", value })), point.map((value) => ({ case: "place", value })),
  mode.map((value) => ({ case: "choiceMode", value })), fc.boolean().map((value) => ({ case: "flag", value })),
);
const message = fc.record({
  double, float, int32, int64, uint32, uint64, sint32: int32, sint64: int64, fixed32: uint32, fixed64: uint64, sfixed32: int32, sfixed64: int64,
  bool: fc.boolean(), string: text, bytes, mode, point, doubles: few(double), int32s: few(int32), int64s: few(int64), sint64s: few(int64), fixed64s: few(uint64),
  bools: few(fc.boolean()), strings: few(text), blobs: few(bytes), modes: few(mode), points: few(point), unpacked: few(uint32), floats: few(float),
  byString: fc.dictionary(text, int32, { maxKeys: 4 }), byInt64: fc.dictionary(int64.map(String), text, { maxKeys: 4 }),
  byBool: fc.dictionary(fc.constantFrom("true", "false"), mode), byUint32: fc.dictionary(uint32.map(String), point, { maxKeys: 4 }), blobsByString: fc.dictionary(text, bytes, { maxKeys: 4 }),
  choice, optionalInt32: int32, optionalString: text, optionalMode: mode, constructor$: text, tagOfFiveBytes: int32,
}, { requiredKeys: [] }).map((init) => create(everyType, init as never));

describe("compileMessage()", () => {
  it("decode() reads what toBinary() wrote, every kind of field", () => {
    fc.assert(fc.property(message, (value) => {
      assert.deepEqual(bare(decode(toBinary(everyType, value))), bare(fromReference(value, everyType)));
    }), { numRuns: 400, seed: 1 });
  });

  it("encode() writes what toBinary() writes, byte for byte", () => {
    fc.assert(fc.property(message, (value) => {
      const reference = toBinary(everyType, value);
      assert.deepEqual(compiled.encode(decode(reference)), reference);
    }), { numRuns: 400, seed: 2 });
  });

  it("decode() and encode() know all values of proto2 messages: closed enums, defaults, required fields", () => {
    const desc = find("OldType");
    const old = compileMessage(desc);
    const bytes = written((w) => w.uint32(8).int32(7).uint32(16).int32(9).uint32(24).int32(2).uint32(24).int32(3).uint32(34).fork().int32(1).int32(5).int32(2).join());
    assert.deepEqual(bare(old.decode(bytes, 0, bytes.length)), { ".id": 7, ".closed": undefined, ".many": [2], ".packed_many": [1, 2], ".text": undefined });
    assert.deepEqual(old.encode({ id: 7, closed: "TWO", many: [2] }), toBinary(desc, create(desc, { id: 7, closed: 2, many: [2] } as never)));
    assert.throws(() => old.encode({ closed: 1 }), new TypeError('Cannot encode test.codec.OldType: the required field "id" is absent'));
  });

  it("refuses messages with groups", () => {
    assert.throws(() => compileMessage(find("WithGroup")), new TypeError('Cannot compile test.codec.WithGroup: its field "part" is encoded as a group'));
  });

  it("decode() takes a message out of a larger buffer and touches nothing around it", () => {
    const bytes = toBinary(everyType, create(everyType, { string: "a", doubles: [1, 2] } as never));
    const around = Uint8Array.from([255, 255, 255, ...bytes, 255, 255]);
    assert.deepEqual(bare(compiled.decode(around, 3, 3 + bytes.length)), bare(decode(bytes)));
    assert.deepEqual(around, Uint8Array.from([255, 255, 255, ...bytes, 255, 255]));
  });

  it("decode() gives what does not refer to the bytes any more", () => {
    const bytes = toBinary(everyType, create(everyType, { string: "abc", bytes: Uint8Array.of(1, 2), strings: ["x".repeat(100)] } as never));
    const value = decode(bytes);
    bytes.fill(0);
    assert.deepEqual([value["string"], value["bytes"], value["strings"]], ["abc", Uint8Array.of(1, 2), ["x".repeat(100)]]);
  });

  it("decode() skips unknown fields of every wire type, groups too, and known fields of another wire type", () => {
    const bytes = written((w) => w.uint32(800).int64(-1).uint32(801).fixed64(1).uint32(802).bytes(Uint8Array.of(1)).uint32(803).uint32(802).string("in a group").uint32(811).uint32(812).uint32(804).uint32(805).fixed32(1).uint32(113).fixed64(3).uint32(114).string("kept"));
    assert.equal(decode(bytes)["string"], "kept");
  });

  it("decode() merges a message that comes twice, and lets the last member of a oneof win", () => {
    const desc = everyType;
    const bytes = written((w) => w.uint32(138).fork().uint32(8).sint32(1).join().uint32(138).fork().uint32(16).sint32(2).join().uint32(410).string("first").uint32(416).int64(5));
    const value = decode(bytes);
    assert.deepEqual(bare(value), bare(fromReference(fromBinary(desc, bytes), desc)));
    assert.deepEqual([bare(value["point"]), value["text"], value["number"]], [{ ".x": 1, ".y": 2, ".next": undefined }, undefined, 5]);
  });

  it("decode() reads repeated numbers packed and unpacked, whatever the descriptor says", () => {
    const bytes = written((w) => w.uint32(176).int32(1).uint32(178).fork().int32(2).int32(3).join().uint32(250).fork().uint32(4).join().uint32(248).uint32(5));
    assert.deepEqual([decode(bytes)["int32s"], decode(bytes)["unpacked"]], [[1, 2, 3], [4, 5]]);
  });

  it("names that mean something to JavaScript are names like any other", () => {
    const bytes = written((w) => w.uint32(570).string("polluted").uint32(578).string("built").uint32(330).fork().uint32(10).string("__proto__").uint32(16).int32(1).join());
    const value = decode(bytes);
    assert.equal(Object.getOwnPropertyDescriptor(value, "__proto__")?.value, "polluted");
    assert.equal(value["constructor"], "built");
    assert.deepEqual(Object.entries(value["by_string"] as object), [["__proto__", 1]]);
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
    assert.deepEqual(compiled.encode(value), bytes.length === 0 ? bytes : written((w) => w.uint32(330).fork().uint32(10).string("__proto__").uint32(16).int32(1).join().uint32(570).string("polluted").uint32(578).string("built")));
  });
});

describe("compileMessage() in json form", () => {
  const json = compileMessage(everyType, { form: "json" });
  const asJson = (write: (writer: BinaryWriter) => unknown): Record<string, unknown> => {
    const bytes = written(write);
    return JSON.parse(JSON.stringify(json.decode(bytes, 0, bytes.length))) as Record<string, unknown>;
  };

  it("decode() gives floats with the fewest digits, NaN and infinities as null, enums by name, bytes as base64, large integers as text", () => {
    const value = asJson((w) => w.uint32(21).float(21.3).uint32(9).double(Number.NaN).uint32(122).bytes(Uint8Array.of(1, 2, 3)).uint32(128).int32(-2).uint32(234).fork().int32(1).int32(99).join().uint32(32).int64(2n ** 53n).uint32(48).uint64(2n ** 53n - 1n).uint32(258).fork().float(0.1).float(-Infinity).join());
    assert.deepEqual([value["float"], value["double"], value["bytes"], value["mode"], value["modes"], value["int64"], value["uint64"], value["floats"]], [21.3, null, { $base64: "AQID" }, "AUTO", ["ON", 99], "9007199254740992", 9007199254740991, [0.1, null]]);
  });

  it("encode() takes what decode() gave", () => {
    const bytes = written((w) => w.uint32(21).float(21.3).uint32(32).int64(2n ** 60n).uint32(122).bytes(Uint8Array.of(1, 2, 3)).uint32(128).int32(-2));
    assert.deepEqual(json.encode(JSON.parse(JSON.stringify(json.decode(bytes, 0, bytes.length)))), bytes);
  });
});

describe("compileMessage() refuses", () => {
  const refused: readonly { readonly what: string; readonly bytes: Uint8Array; readonly says: string }[] = [
    { what: "a string that is cut off", bytes: Uint8Array.of(114, 5, 97), says: "cut off: 5 bytes are announced and 1 are there at byte 2 of 3" },
    { what: "invalid UTF-8", bytes: Uint8Array.of(114, 2, 0xc3, 0x28), says: "at byte 2 of 4" },
    { what: "invalid UTF-8 in a long string", bytes: Uint8Array.of(114, 60, ...new Uint8Array(59).fill(97), 0xff), says: "at byte 2 of 62" },
    { what: "a surrogate in UTF-8", bytes: Uint8Array.of(114, 3, 0xed, 0xa0, 0x80), says: "at byte 2 of 5" },
    { what: "a varint that never ends", bytes: Uint8Array.of(24, ...new Uint8Array(11).fill(0x80)), says: "invalid varint" },
    { what: "an unknown varint that never ends", bytes: Uint8Array.of(0xa0, 6, ...new Uint8Array(11).fill(0x80), 0), says: "a varint of more than 10 bytes" },
    { what: "a tag that never ends", bytes: new Uint8Array(20).fill(0x80), says: "invalid varint" },
    { what: "a tag of more than 32 bits", bytes: Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x70), says: "a tag of more than 32 bits" },
    { what: "field number 0", bytes: Uint8Array.of(0, 0), says: "a tag of field 0, wire type 0" },
    { what: "a wire type there is not", bytes: Uint8Array.of(14), says: "wire type 6" },
    { what: "the end of a group that never began", bytes: Uint8Array.of(12), says: "cant skip wire type 4" },
    { what: "a fixed64 that is cut off", bytes: Uint8Array.of(81, 1, 2), says: "of 3" },
    { what: "a packed field whose last number reaches beyond it", bytes: Uint8Array.of(178, 1, 1, 0x80, 1), says: "a field ends after its message" },
    { what: "a message whose last field reaches beyond it", bytes: Uint8Array.of(138, 1, 2, 10, 3, 1, 1, 1), says: "a field ends after its message" },
    { what: "a group that is not closed", bytes: Uint8Array.of(0xa3, 6), says: "of 2" },
  ];
  for (const { what, bytes, says } of refused) {
    it(`decode() throws SyntaxError for ${what}`, () => {
      assert.throws(() => decode(bytes), (error) => error instanceof SyntaxError && error.message.startsWith("Cannot decode test.codec.EveryType: ") && error.message.includes(says) || assert.fail(String(error)));
    });
  }

  it("decode() throws SyntaxError for 10,000 levels of messages, and of unknown groups", () => {
    let nested: Uint8Array = new Uint8Array(0);
    for (let level = 0; level < 10_000; level++) nested = written((w) => w.uint32(26).bytes(nested));
    const message = written((w) => w.uint32(138).bytes(nested));
    assert.throws(() => decode(message), /^SyntaxError: Cannot decode test.codec.EveryType: messages nested too deep at byte/);
    assert.throws(() => decode(Uint8Array.from({ length: 20_000 }, (_, at) => (at % 2 === 0 ? 0xa3 : 6))), /^SyntaxError: .*recursion depth/);
  });

  it("decode() takes as many levels as it was told, not one more", () => {
    const levels = (count: number): Uint8Array => (count === 0 ? new Uint8Array(0) : written((w) => w.uint32(26).bytes(levels(count - 1))));
    const point = compileMessage(find("Point"), { depth: 5 });
    point.decode(levels(4), 0, levels(4).length);
    assert.throws(() => point.decode(levels(5), 0, levels(5).length), SyntaxError);
  });

  const misfits: readonly { readonly value: unknown; readonly says: string }[] = [
    { value: { string: 5 }, says: 'field "string" is number, not text' },
    { value: { int32: 1.5 }, says: "invalid int32: 1.5" },
    { value: { uint32: -1 }, says: "invalid uint32: -1" },
    { value: { int64: "12x" }, says: 'field "int64" is string, not an integer or decimal text' },
    { value: { bool: 1 }, says: 'field "bool" is number, not true or false' },
    { value: { mode: "SIDEWAYS" }, says: 'field "mode" is string, not a value of its enum' },
    { value: { point: [] }, says: 'field "point" is object, not an object' },
    { value: { strings: "a" }, says: 'field "strings" is string, not a list' },
    { value: { text: "a", flag: true }, says: 'more than one field of oneof "choice" is set' },
    { value: null, says: 'field "value" is null, not an object' },
  ];
  for (const { value, says } of misfits) {
    it(`encode() throws TypeError for ${JSON.stringify(value)}`, () => {
      assert.throws(() => compiled.encode(value), new TypeError(`Cannot encode test.codec.EveryType: ${says}`));
      assert.deepEqual(compiled.encode({ int32: 1 }), Uint8Array.of(24, 1));
    });
  }

  it("encode() throws TypeError for a property that is no field where it is strict, and for a cycle", () => {
    assert.throws(() => compileMessage(everyType, { strict: true }).encode({ strnig: "a" }), new TypeError('Cannot encode test.codec.EveryType: it has no field "strnig"'));
    const cycle: Record<string, unknown> = {};
    cycle["next"] = cycle;
    assert.throws(() => compiled.encode({ point: cycle }), new TypeError("Cannot encode test.codec.EveryType: messages nested too deep"));
  });
});
