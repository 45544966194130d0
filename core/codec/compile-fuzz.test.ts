import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { IoTDataSchema } from "../proto/gen/busbar/v1/devices_pb.ts";
import { compileMessage } from "./compile.ts";

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(new URL("./testdata/every-type.binpb", import.meta.url))));
const everyType = registry.getMessage("test.codec.EveryType")!;

const report = create(IoTDataSchema, {
  deviceId: "sensor-001",
  timestamp: 1_634_567_890_123n,
  readings: ["temperature", "humidity", "pressure", "co2", "voltage"].map((sensorId, at) => ({ sensorId, value: 21.3 + at, unit: "°C" })),
});

/** A generator of numbers below 2^32 that is the same in every run (xorshift32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

describe("compiled decoders on broken bytes", () => {
  it("decode() throws nothing but SyntaxError, and what it takes survives encode() and decode()", () => {
    const seeds = [
      toBinary(IoTDataSchema, report),
      toBinary(everyType, create(everyType, { string: "abc", double: 1.5, int64: 2n ** 60n, bools: [true, false], strings: ["a", "é"], byString: { a: 1, b: 2 }, byUint32: { 7: create(registry.getMessage("test.codec.Point")!, { x: 1 } as never) }, choice: { case: "text", value: "t" }, at: create(registry.getMessage("google.protobuf.Timestamp")!, { seconds: 5n } as never), points: [create(registry.getMessage("test.codec.Point")!, { y: -3 } as never)] } as never)),
    ];
    const decoders = [
      { compiled: compileMessage(IoTDataSchema), json: compileMessage(IoTDataSchema, { form: "json" }) },
      { compiled: compileMessage(everyType), json: compileMessage(everyType, { form: "json" }) },
    ];
    const random = seeded(20_260_101);
    const counts = { taken: 0, refused: 0 };
    const until = performance.now() + 1500;
    for (let turn = 0; turn < 150_000 && performance.now() < until; turn++) {
      const bytes = seeds[turn % 2]!.slice();
      for (let change = random() % 4; change >= 0; change--) bytes[random() % bytes.length] = random() & 0xff;
      const end = random() % 4 === 0 ? random() % (bytes.length + 1) : bytes.length;
      const { compiled, json } = decoders[(turn >> 1) % 2]!;
      let value: Record<string, unknown>;
      try {
        value = compiled.decode(bytes, 0, end);
        JSON.stringify(json.decode(bytes, 0, end));
        counts.taken++;
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        counts.refused++;
        continue;
      }
      const again = compiled.encode(value);
      assert.equal(JSON.stringify(compiled.decode(again, 0, again.length)), JSON.stringify(value));
    }
    assert.ok(counts.taken > 500 && counts.refused > 500, JSON.stringify(counts));
  });

  it("decode() holds no more memory after 20,000 different strings than before", () => {
    const compiled = compileMessage(IoTDataSchema);
    const run = (round: number): void => {
      for (let at = 0; at < 20_000; at++) {
        const bytes = toBinary(IoTDataSchema, create(IoTDataSchema, { deviceId: `device-${round}-${at}` }));
        assert.equal(compiled.decode(bytes, 0, bytes.length)["device_id"], `device-${round}-${at}`);
      }
    };
    run(0);
    const before = process.memoryUsage().arrayBuffers;
    run(1);
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 << 20);
  });

  it("decode() is faster than fromBinary()", (t) => {
    const bytes = toBinary(IoTDataSchema, report);
    const compiled = compileMessage(IoTDataSchema);
    const best = { library: Number.POSITIVE_INFINITY, compiled: Number.POSITIVE_INFINITY };
    const time = (which: keyof typeof best, run: () => unknown): void => {
      const from = performance.now();
      for (let at = 0; at < 4000; at++) run();
      best[which] = Math.min(best[which], performance.now() - from);
    };
    let ratio = 0;
    // In turns, and again as long as a busy machine hides the difference.
    for (let round = 0; round < 5 || (ratio <= 1.3 && round < 100); round++) {
      time("library", () => fromBinary(IoTDataSchema, bytes));
      time("compiled", () => compiled.decode(bytes, 0, bytes.length));
      ratio = best.library / best.compiled;
    }
    t.diagnostic?.(`IoTData with 5 readings: ${ratio.toFixed(1)} times as fast as fromBinary()`);
    assert.ok(ratio > 1.3, `only ${ratio.toFixed(2)} times as fast`);
  });
});
