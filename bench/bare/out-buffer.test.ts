import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { EnvelopeSchema } from "../../core/proto/gen/busbar/v1/envelope_pb.ts";
import { measureWebSocket, PacketReader, webSocketPayload } from "../wires/packet-reader.ts";
import { createFields, decodeEnvelope } from "./envelope.ts";
import { isPlainJson } from "./json-check.ts";
import { OutBuffer } from "./out-buffer.ts";
import { envelopeToJson } from "./values.ts";

const samples = [
  { msgid: "m-1", to: "", json: '{"temperature":23.5}', qos: 0, retain: false },
  { msgid: 'quote" back\\slash\nline', to: "lamp", json: '{"text":"a\\nb","deep":[[1,-2.5e3],{"x":null}]}', qos: 1, retain: true },
  { msgid: "käse-温度", to: "home-7/lamp", json: '{ "spaced" : "ü" }', qos: 2, retain: false },
  { msgid: "long", to: "", json: JSON.stringify({ text: "x".repeat(5000) }), qos: 0, retain: false },
];

function encode(sample: (typeof samples)[number]): Uint8Array {
  const { json, ...rest } = sample;
  return toBinary(EnvelopeSchema, create(EnvelopeSchema, { ...rest, ver: "1.0", timestamp: 1_763_700_000_000n, from: "dev-1", type: "status", payload: { case: "json", value: json } }));
}

function expected(sample: (typeof samples)[number]): object {
  const { msgid, to, json, qos, retain } = sample;
  return { ver: "1.0", msgid, timestamp: 1_763_700_000_000, from: "dev-1", to: to === "" ? "server" : to, type: "status", payload: JSON.parse(json), qos, retain };
}

it("OutBuffer.append() sends each envelope as a WebSocket frame with the JSON of WIRE §1", async () => {
  const out = new OutBuffer();
  const server = createServer((socket) => {
    out.subscribers.add(socket);
    const fields = createFields();
    for (const sample of samples) {
      const bytes = encode(sample);
      assert.ok(decodeEnvelope(bytes, 0, bytes.length, fields));
      assert.ok(out.append(fields));
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const received: unknown[] = [];
  const reader = new PacketReader(measureWebSocket, (bytes, start, end) => {
    received.push(JSON.parse(Buffer.from(bytes.subarray(webSocketPayload(bytes, start), end)).toString()));
  });
  for await (const chunk of client) {
    reader.push(chunk, chunk.length);
    if (received.length === samples.length) break;
  }
  server.close();
  for (const socket of out.subscribers) socket.destroy();
  await once(server, "close");
  assert.deepEqual(received, samples.map(expected));
});

it("OutBuffer.append() refuses a payload that is not JSON and text that is not UTF-8", () => {
  const fields = createFields();
  const out = new OutBuffer();
  const broken = encode({ msgid: "m", to: "", json: "{oops}", qos: 0, retain: false });
  assert.ok(decodeEnvelope(broken, 0, broken.length, fields));
  assert.equal(out.append(fields), false);
  const invalid = encode({ msgid: "\x01\x01", to: "", json: "1", qos: 0, retain: false });
  invalid[invalid.indexOf(1)] = 0xff;
  assert.ok(decodeEnvelope(invalid, 0, invalid.length, fields));
  assert.equal(out.append(fields), false);
});

it("envelopeToJson() has the same content", () => {
  const fields = createFields();
  for (const sample of samples) {
    const bytes = encode(sample);
    assert.ok(decodeEnvelope(bytes, 0, bytes.length, fields));
    assert.deepEqual(JSON.parse(envelopeToJson(fields)), expected(sample));
  }
});

it("decodeEnvelope() refuses a message that is cut off", () => {
  const bytes = encode({ msgid: "m", to: "", json: "1", qos: 0, retain: false });
  assert.equal(decodeEnvelope(bytes, 0, bytes.length - 1, createFields()), false);
});

it("isPlainJson() never takes what JSON.parse refuses, and takes what JSON.stringify writes in ASCII without escapes", () => {
  const check = (text: string): boolean => {
    const bytes = Buffer.from(text);
    return isPlainJson(bytes, 0, bytes.length);
  };
  const fragments = fc.array(fc.constantFrom("{", "}", "[", "]", ",", ":", '"', "a", "0", "1", "-", ".", "e", "true", "false", "null", '"k":', " "), { maxLength: 12 });
  fc.assert(
    fc.property(fragments, (parts) => {
      const text = parts.join("");
      if (check(text)) JSON.parse(text);
    }),
    { numRuns: 20_000 },
  );
  const plain = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null), fc.stringMatching(/^[A-Za-z0-9 _-]*$/), fc.array(tie("value")), fc.dictionary(fc.stringMatching(/^[a-z]*$/), tie("value"))),
  })).value;
  fc.assert(fc.property(plain, (value) => check(JSON.stringify(value))), { numRuns: 500 });
});
