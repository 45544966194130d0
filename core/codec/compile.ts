import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { errorText } from "../errors.ts";
import { compileDecoder } from "./compile-decoder.ts";
import { compileEncoder } from "./compile-encoder.ts";

/** How a message type is compiled. */
export interface CompileOptions {
  /**
   * What decoded values look like. "native" (the default): enums as numbers, bytes as Uint8Array. "json": what JSON.stringify takes as it is: enums by name where they
   * have one, bytes as `{"$base64":"…"}`, float32 with the fewest digits that tell it apart, NaN and infinities as null.
   * In both, 64-bit integers are numbers where that is exact and decimal text beyond 2^53 (WIRE §1).
   */
  readonly form?: "native" | "json";
  /** How deep messages may nest, 1–1,000. Default 100, as elsewhere in protobuf. */
  readonly depth?: number;
  /** Whether the encoder refuses properties that are no field of the message. Default false. */
  readonly strict?: boolean;
}

/**
 * A decoder and an encoder for one message type. Values are plain objects by the field names of the .proto file, all present: an unset field has its zero value
 * where proto3 gives it one, else it is undefined; maps are objects without a prototype; of a oneof at most one member is not undefined.
 */
export interface CompiledMessage {
  /** The full name, such as "busbar.v1.IoTData". */
  readonly typeName: string;
  /**
   * Decodes `bytes[start..end)`. Unknown fields, and fields with another wire type than the descriptor's, are skipped. Nothing of the result refers to `bytes`.
   * @throws {SyntaxError} when the bytes are cut off or no such message, naming the place, counted from `start`.
   */
  decode(bytes: Uint8Array, start: number, end: number): Record<string, unknown>;
  /**
   * Encodes a value in either form; undefined and null are absent. The bytes are new.
   * @throws {TypeError} when a field has a value that it cannot have, naming the field.
   */
  encode(value: unknown): Uint8Array;
}

/**
 * Compiles a message type from its descriptor to source text for `new Function`, on protobuf's own BinaryReader and BinaryWriter: some two to three times as fast as the
 * reflective `fromBinary` (`npm run bench` prints the ratio). Compile once per process, not per connection.
 * @throws {TypeError} for a type with fields encoded as groups.
 */
export function compileMessage(desc: DescMessage, options: CompileOptions = {}): CompiledMessage {
  const { form = "native", depth = 100, strict = false } = options;
  const { typeName } = desc;
  const decode = compileDecoder(desc, form === "json");
  let encode: ReturnType<typeof compileEncoder> | undefined; // most types are only ever read
  let chunk: Uint8Array | undefined;
  let reader = new BinaryReader(new Uint8Array(0));
  let writer = new BinaryWriter();
  return {
    typeName,
    decode(bytes, start, end) {
      if (bytes !== chunk) {
        reader = new BinaryReader(bytes); // one for all frames of a chunk: making it costs as much as decoding a small frame
        chunk = bytes;
      }
      reader.pos = start;
      try {
        return decode(reader, bytes, end, depth - 1, undefined);
      } catch (error) {
        throw new SyntaxError(`Cannot decode ${typeName}: ${errorText(error).replace(/,$/, "")} at byte ${Math.min(reader.pos, end) - start} of ${end - start}`, { cause: error });
      }
    },
    encode(value) {
      encode ??= compileEncoder(desc, strict);
      try {
        encode(writer, value, depth - 1);
        return writer.finish();
      } catch (error) {
        writer = new BinaryWriter(); // the failed one holds half a message
        throw new TypeError(`Cannot encode ${typeName}: ${errorText(error).replace(/,$/, "")}`, { cause: error });
      }
    },
  };
}
