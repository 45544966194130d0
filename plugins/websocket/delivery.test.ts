import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { EnvelopeSchema } from "@busbar/core/proto/gen/busbar/v1/envelope_pb.ts";
import { openListener } from "./testing/listener.ts";
import { rawFrame } from "./testing/raw-client.ts";

test("websocket sends 200 subscribers the very same bytes, in order", async () => {
  await using listener = await openListener();
  const { gateway } = listener;
  const clients = await Promise.all(Array.from({ length: 200 }, async (_, n) => (await listener.connect(`app-${n}`)).subscribe("status/#")));
  const total = 20;
  for (let n = 0; n < total; n++) gateway.bus.publish({ type: "status", from: "d-1", payload: { n, unit: "°C" } });
  const received = await Promise.all(clients.map(async (client) => {
    const texts: string[] = [];
    for (let n = 0; n < total; n++) texts.push((await client.frames.next()).bytes.toString());
    return texts;
  }));
  assert.deepEqual(received[0]!.map((text) => (JSON.parse(text) as { payload: { n: number } }).payload.n), Array.from({ length: total }, (_, n) => n));
  for (const texts of received) assert.deepEqual(texts, received[0]);
});

test("websocket sends many messages of one turn complete and in order, whatever form their length takes", async () => {
  await using listener = await openListener();
  const { gateway } = listener;
  const client = await listener.raw("app");
  client.sendJson({ type: "subscribe", topic: "status/#" });
  await client.json("subscribed");
  const publish = (payload: string): void => void gateway.bus.publish({ type: "status", from: "d", msgid: "m", timestamp: 1, payload });
  publish("");
  const empty = (await client.frames.next()).payload.length;
  assert.ok(empty < 125, `${empty} bytes around the payload`);
  const sizes = [124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537, 300_000, 125, 126, 65_535, 65_536];
  for (const size of sizes) publish("x".repeat(size - empty));
  for (const size of sizes) {
    const { opcode, fin, payload } = await client.frames.next();
    assert.deepEqual([opcode, fin, payload.length], [1, true, size]);
    assert.equal((JSON.parse(payload.toString()) as { payload: string }).payload.length, size - empty);
  }
});

test("websocket never mixes pings, pongs and a close frame into its data frames", async () => {
  await using listener = await openListener({ ping: "100ms", idleTimeout: "60s" });
  const { gateway } = listener;
  const client = await listener.raw("app");
  client.sendJson({ type: "subscribe", topic: "status/#" });
  await client.json("subscribed");
  let sent = 0;
  let received = 0;
  let pings = 0;
  let pongs = 0;
  let answered = 0;
  const publish = (): void => {
    for (let count = 0; count < 20; count++) gateway.bus.publish({ type: "status", from: "d-1", payload: { n: sent++, fill: "x".repeat((sent * 37) % 3000) } });
    client.write(rawFrame(9, `ping ${pings++}`));
  };
  for (publish(); ; ) {
    const { opcode, payload } = await client.frames.next();
    if (opcode === 1) assert.equal((JSON.parse(payload.toString()) as { payload: { n: number } }).payload.n, received++);
    else if (opcode === 10) assert.equal(payload.toString(), `ping ${pongs++}`);
    else if (opcode === 9) answered++;
    if (received < sent || pongs < pings) continue;
    if (answered >= 3) break; // so many pings of the server came in between
    publish();
  }
  gateway.bus.publish({ type: "status", from: "d-1", payload: "last" });
  client.write(rawFrame(8, Buffer.from([0x03, 0xe8])), rawFrame(9, "too late"));
  assert.equal(await client.closeCode(), 1000);
  await client.ended;
  assert.equal(client.frames.length, 0, "nothing follows the close frame");
});

test("websocket writes what is queued before the close frame", async () => {
  await using listener = await openListener({ rate: 5 });
  const client = await listener.connect("app");
  await client.subscribe("status/#");
  for (let n = 0; n < 10; n++) client.send({ type: "status", payload: n });
  for (let n = 0; n < 4; n++) assert.equal((await client.next("status"))["payload"], n); // one of the five was the subscription
  assert.equal((await client.closed).code, 4029);
});

test("websocket delivers bare busbar.v1.Envelopes in binary frames to a subscription with binary: true", async () => {
  await using listener = await openListener();
  const { gateway } = listener;
  const client = await (await listener.connect("app")).subscribe("status/#", { binary: true });
  gateway.bus.publish({ type: "status", from: "d-1", payload: { t: 23.5 }, msgid: "m-1", timestamp: 5 });
  const { offset } = await gateway.bus.deliver({ type: "status", from: "d-1", payload: new Uint8Array([1, 2, 255]), msgid: "m-2", timestamp: 6 });
  const first = await client.frames.next();
  assert.equal(first.binary, true);
  const envelope = fromBinary(EnvelopeSchema, first.bytes);
  assert.deepEqual([envelope.ver, envelope.msgid, envelope.from, envelope.to, envelope.type, envelope.timestamp, envelope.payload], ["1.0", "m-1", "d-1", "server", "status", 5n, { case: "json", value: '{"t":23.5}' }]);
  const second = fromBinary(EnvelopeSchema, (await client.frames.next()).bytes);
  assert.deepEqual([second.msgid, Number(second.offset), second.payload.case], ["m-2", offset, "data"]);
  assert.deepEqual([...(second.payload.value as Uint8Array)], [1, 2, 255]);
  await client.settled(); // answers stay JSON
});

test("websocket sends each subscriber its encoding of the same message", async () => {
  await using listener = await openListener();
  const json = await (await listener.connect("a")).subscribe("status/#");
  const binary = await (await listener.connect("b")).subscribe("status/#", { binary: true });
  const jsonToo = await (await listener.connect("c")).subscribe("status/#");
  for (let n = 0; n < 3; n++) listener.gateway.bus.publish({ type: "status", from: "d-1", payload: n });
  for (let n = 0; n < 3; n++) {
    const [a, c] = [await json.frames.next(), await jsonToo.frames.next()];
    assert.equal(a.json["payload"], n);
    assert.deepEqual(c.bytes, a.bytes);
    assert.deepEqual(fromBinary(EnvelopeSchema, (await binary.frames.next()).bytes).payload, { case: "json", value: String(n) });
  }
});
