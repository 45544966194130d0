import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { IoTDataSchema } from "@busbar/core/proto/gen/busbar/v1/devices_pb.ts";
import { openListener, type Listener } from "./testing/listener.ts";
import { rawFrame, type RawClient } from "./testing/raw-client.ts";

const limit = 4096;
const reasons = { 1009: "TOO_LARGE", 4400: "protocol error", 1002: "protocol error" } as const;

/** Checks that what the client does closes it, and it alone, with that code, and is counted once. */
async function closes(code: keyof typeof reasons, act: (client: RawClient) => void): Promise<void> {
  await using listener = await openListener({ frameLimit: limit });
  const other = await listener.connect("other");
  const client = await listener.raw("d-1");
  act(client);
  assert.equal(await client.closeCode(), code);
  assert.equal(listener.gateway.metric(`busbar_refused_total{reason="${reasons[code]}"}`), 1);
  assert.equal(listener.gateway.log.filter(({ message }) => message.startsWith("connection ended")).length, 1);
  const arrived = listener.gateway.next("status/other");
  other.send({ type: "status", payload: 1 });
  assert.equal((await arrived).payload, 1);
  assert.equal(listener.gateway.metric("busbar_sessions"), 1);
}

const big = "x".repeat(limit + 1);

test("websocket takes a frame as large as the limit", async () => {
  await using listener = await openListener({ frameLimit: limit });
  const client = await listener.connect("d-1");
  const bare = JSON.stringify({ type: "status", payload: "" });
  const arrived = listener.gateway.next("status/d-1");
  client.send({ type: "status", payload: "x".repeat(limit - bare.length) });
  assert.equal(((await arrived).payload as string).length, limit - bare.length);
});

test("websocket closes with 1009 on a text frame over the limit", () => closes(1009, (client) => client.write(rawFrame(1, big))));

test("websocket closes with 1009 on a binary frame over the limit", () => closes(1009, (client) => client.write(rawFrame(2, big))));

test("websocket closes with 1009 on fragments that together are over the limit", () =>
  closes(1009, (client) => client.write(rawFrame(1, big.slice(0, 3000), { fin: false }), rawFrame(0, big.slice(0, 3000)))));

test("websocket closes with 1009 as soon as a header announces too much: 20 MiB, 4 GiB, 2^63 bytes", async () => {
  for (const length of [20 * 1024 ** 2, 4 * 1024 ** 3]) await closes(1009, (client) => client.write(rawFrame(1, "", { length })));
  await closes(1009, (client) => client.write(Buffer.from("81ffffffffffffffffff00000000", "hex")));
});

for (const [what, text] of [["an array", "[]"], ["a number", "1"], ["a string", '"x"'], ["null", "null"], ["nothing", ""], ["half an object", '{"type":"status"'], ["two objects", '{"type":"ping"}{"type":"ping"}'], ["10,000 brackets", "[".repeat(4000)]] as const) {
  test(`websocket closes with 4400 on text that is not one JSON object: ${what}`, () => closes(4400, (client) => client.write(rawFrame(1, text))));
}

test("websocket closes with 4400 on text that is not UTF-8", () =>
  closes(4400, (client) => client.write(rawFrame(1, Buffer.from('{"type":"status","payload":"\xff"}', "latin1")))));

test("websocket answers 10,000 levels of nesting with BAD_FRAME, and the connection stays", async () => {
  await using listener = await openListener();
  const client = await listener.connect("d-1");
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    client.sendRaw(`{"type":"status","payload":${open.repeat(10_000)}1${close.repeat(10_000)}}`);
    assert.equal((await client.next("error"))["code"], "BAD_FRAME");
  }
  await client.settled();
});

test("websocket closes with 4400 on the third invalid frame in a row, and not on three with a valid one in between", async () => {
  await using listener = await openListener();
  const client = await listener.connect("d-1");
  const invalid = { type: "status", qos: 3 };
  for (const frame of [invalid, invalid, { type: "ping" }, invalid, invalid]) client.send(frame);
  await client.settled();
  for (let count = 0; count < 3; count++) client.send(invalid);
  assert.equal((await client.closed).code, 4400);
});

const reading = { deviceId: "d-1", timestamp: 1_700_000_000_000n, readings: [{ sensorId: "t", value: 42.5, unit: "°C" }] };
const iotData = toBinary(IoTDataSchema, create(IoTDataSchema, reading));

test("websocket decodes a binary frame on a JSON session as iot-data", async () => {
  await using listener = await openListener();
  const client = await listener.connect("d-1");
  const arrived = listener.gateway.next("status/d-1");
  client.sendRaw(iotData);
  const { payload, timestamp } = await arrived;
  assert.equal(timestamp, 1_700_000_000_000);
  assert.deepEqual((payload as { values: unknown }).values, [{ tag: "t", value: 42.5, unit: "°C" }]);
});

test("websocket answers iot-data in another device's name with FORBIDDEN", async () => {
  await using listener = await openListener();
  const client = await listener.connect("d-2");
  client.sendRaw(iotData);
  assert.equal((await client.next("error"))["code"], "FORBIDDEN");
});

test("websocket closes with 4400 on a binary frame that does not decode", async () => {
  await closes(4400, (client) => client.write(rawFrame(2, iotData.subarray(0, iotData.length - 3))));
  await closes(4400, (client) => client.write(rawFrame(2, new Uint8Array(12).fill(0xff))));
});

test("websocket decodes a binary frame as user-inform where the config says so", async () => {
  await using listener = await openListener({ binary: "user-inform" });
  const client = await listener.connect("user/7");
  const arrived = listener.gateway.next("status/user/7/#");
  client.sendRaw(Uint8Array.from([0x08, 1, 0x10, 7, 0x18, 2, 0x20, 3, 0x28, 99])); // UserInform: fields 1 to 5
  assert.equal((await arrived).from, "user/7/2/3");
});

test("websocket closes with 4400 on text on a protobuf session", async () => {
  await using listener = await openListener();
  const client = await listener.connect(undefined, ["busbar.v1.proto"]);
  client.sendRaw('{"type":"ping"}');
  assert.equal((await client.closed).code, 4400);
});

for (const [what, frame] of [
  ["an unmasked frame", rawFrame(1, '{"type":"ping"}', { masked: false })],
  ["a reserved opcode", rawFrame(3, "x")],
  ["a reserved bit", rawFrame(1, '{"type":"ping"}', { rsv: 4 })],
  ["a continuation of nothing", rawFrame(0, "x")],
  ["a fragmented ping", rawFrame(9, "x", { fin: false })],
  ["a ping of 126 bytes", rawFrame(9, new Uint8Array(126))],
] as const) {
  test(`websocket closes with 1002 on ${what} (RFC 6455 §7.4.1)`, () => closes(1002, (client) => client.write(frame)));
}

test("websocket takes frames that come one byte at a time, and fragments with a ping in between", async () => {
  await using listener = await openListener();
  const client = await listener.raw("d-1");
  client.socket.setNoDelay(true);
  const arrived = nextStatus(listener);
  for (const byte of rawFrame(1, '{"type":"status","payload":1}')) {
    await new Promise((resolve) => client.socket.write(Uint8Array.of(byte), resolve));
  }
  assert.equal(await arrived, 1);
  const again = nextStatus(listener);
  client.write(rawFrame(1, '{"type":"sta', { fin: false }), rawFrame(9, "p"), rawFrame(0, 'tus","pay', { fin: false }), rawFrame(0, 'load":2}'));
  assert.equal(await again, 2);
  assert.equal((await client.frames.next()).opcode, 10);
});

async function nextStatus({ gateway }: Listener): Promise<unknown> {
  return (await gateway.next("status/d-1")).payload;
}
