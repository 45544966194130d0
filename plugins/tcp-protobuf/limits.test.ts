import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { IoTDataSchema } from "@busbar/core/proto/gen/busbar/v1/devices_pb.ts";
import { fakeClock, testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import { tcpProtobuf } from "./mod.ts";
import { TcpPeer } from "./testing/tcp-peer.ts";

const report = (deviceId: string): Uint8Array => toBinary(IoTDataSchema, create(IoTDataSchema, { deviceId }));
const warnings = (gateway: TestGateway): readonly string[] => gateway.log.filter((line) => line.level === "warn").map((line) => `${line.message} ${String(line.fields["error"] ?? "")}`);
const open = (gateway: TestGateway): number => gateway.metric('busbar_tcp_connections{plugin="subject"}');
const reports = async (gateway: TestGateway, peer: TcpPeer, deviceId: string): Promise<void> => {
  const seen = gateway.next(`status/${deviceId}`);
  peer.send(report(deviceId));
  await seen;
};

/** Lets sockets do their work until `done`. */
describe("tcp-protobuf and bytes that are no frames", () => {
  const nested = (levels: number): Uint8Array => Uint8Array.from({ length: levels }, () => 0x2b); // groups of field 5, none of them closed
  const hostile: readonly { readonly what: string; readonly bytes: Uint8Array; readonly says: string; readonly counted: string }[] = [
    { what: "a varint that never ends", bytes: new Uint8Array(64).fill(0xff), says: "the varint at byte 0 of the stream is longer than 5 bytes", counted: "protocol error" },
    { what: "a length of 4 GiB", bytes: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3), says: "Cannot take a frame of 4294967295 bytes", counted: "TOO_LARGE" },
    { what: "a frame of 20 MiB", bytes: Uint8Array.of(0x80, 0x80, 0x80, 0x0a, ...new Uint8Array(1000)), says: "Cannot take a frame of 20971520 bytes", counted: "TOO_LARGE" },
    { what: "a truncated message", bytes: Uint8Array.of(3, 10, 9, 97), says: "cut off: 9 bytes are announced and 1 are there", counted: "protocol error" },
    { what: "invalid UTF-8", bytes: Uint8Array.of(4, 10, 2, 0xc3, 0x28), says: "at byte 2 of 4", counted: "protocol error" },
    { what: "10,000 levels of nesting", bytes: Uint8Array.of(0x90, 0x4e, ...nested(10_000)), says: "recursion depth", counted: "protocol error" },
    { what: "an HTTP request", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n\r\n"), says: "Cannot decode busbar.v1.IoTData", counted: "protocol error" },
  ];
  for (const { what, bytes, says, counted } of hostile) {
    it(`${what} ends its connection with one logged reason and one counted error; the neighbour goes on`, async () => {
      await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data" });
      await using neighbour = await TcpPeer.connect(gateway.urls[0]!);
      await using peer = await TcpPeer.connect(gateway.urls[0]!);
      await reports(gateway, neighbour, "good");
      peer.socket.write(bytes);
      peer.socket.write(new Uint8Array(100_000)); // and goes on talking
      await peer.closed;
      await reports(gateway, neighbour, "good");
      assert.equal(gateway.metric(`busbar_refused_total{reason="${counted}"}`), 1);
      assert.equal(warnings(gateway).length, 1, warnings(gateway).join("\n"));
      assert.ok(warnings(gateway)[0]!.includes(says), warnings(gateway)[0]);
    });
  }

  it("three invalid reports in a row end the connection, one alone does not", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data" });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    for (let round = 0; round < 3; round++) {
      peer.send(report("not an id"));
      await reports(gateway, peer, "good");
    }
    for (let count = 0; count < 3; count++) peer.send(report(""));
    await peer.closed;
  });
});

describe("tcp-protobuf and peers that take their time", () => {
  it("a frame that comes a byte a minute is given up after frameTimeout; the neighbour goes on", async () => {
    const clock = fakeClock();
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data", frameTimeout: "30s" }, { clock });
    await using neighbour = await TcpPeer.connect(gateway.urls[0]!);
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    peer.send(report("slow")); // a whole frame starts no timeout
    peer.socket.write(Uint8Array.of(100));
    const start = clock.now();
    await until("the slow one is closed", () => open(gateway) === 1, { turn: async () => {
      peer.socket.write(Uint8Array.of(1));
      await clock.advance(10_000);
      await reports(gateway, neighbour, "good");
    } });
    assert.ok(clock.now() - start >= 30_000 && clock.now() - start <= 80_000, `after ${clock.now() - start} ms`);
    assert.equal(warnings(gateway).length, 1);
    assert.match(warnings(gateway)[0]!, /Cannot wait for the rest of a frame any longer/);
  });

  it("a connection on which nothing passes is closed after idleTimeout, one that reports is not", async () => {
    const clock = fakeClock();
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data", idleTimeout: "1m" }, { clock });
    await using busy = await TcpPeer.connect(gateway.urls[0]!);
    await using idle = await TcpPeer.connect(gateway.urls[0]!);
    await until("both are connected", () => open(gateway) === 2);
    for (let seconds = 0; seconds < 70; seconds += 10) {
      await reports(gateway, busy, "good");
      await clock.advance(10_000);
    }
    await idle.closed;
    await reports(gateway, busy, "good");
    assert.equal(open(gateway), 1);
  });

  it("a subscriber that never reads is ended once more than buffer waits for it; the other one gets everything", async () => {
    const clock = fakeClock();
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, buffer: "64KiB" }, { clock });
    const subscribe = async (id: string): Promise<TcpPeer> => {
      const peer = await TcpPeer.connect(gateway.urls[0]!);
      peer.say({ case: "auth", value: { deviceId: id, token: id } });
      await peer.hear();
      peer.say({ case: "subscribe", value: { topic: "status/#" } });
      await peer.hear();
      return peer;
    };
    await using reader = await subscribe("reader");
    await using stalled = await subscribe("stalled");
    stalled.socket.pause();
    let sent = 0;
    let heard = 0;
    await until("the stalled one is ended", () => gateway.metric("busbar_sessions") === 1, { turn: async () => {
      gateway.bus.publish({ type: "status", payload: "x".repeat(30_000) });
      sent++;
      await reader.next();
      heard++;
    } });
    assert.equal(heard, sent);
    assert.ok(sent * 30_000 < 64 << 20);
    await clock.advance(3000); // it does not take the rest either: cut off
    await until("one is left", () => open(gateway) === 1);
  });
});

describe("tcp-protobuf and too many of them", () => {
  it("connections beyond maxConnections are closed and counted; a place that becomes free is taken", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data", maxConnections: 2, waitingLine: { length: 0 } });
    await using first = await TcpPeer.connect(gateway.urls[0]!);
    await using second = await TcpPeer.connect(gateway.urls[0]!);
    await reports(gateway, second, "b");
    await using third = await TcpPeer.connect(gateway.urls[0]!);
    await third.closed;
    assert.equal(gateway.metric('busbar_refused_total{reason="full"}'), 1);
    first.socket.destroy();
    await until("one is left", () => open(gateway) === 1);
    await using fourth = await TcpPeer.connect(gateway.urls[0]!);
    await reports(gateway, fourth, "d");
  });

  it("connections beyond perAddress are closed and counted", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data", perAddress: 1 });
    await using first = await TcpPeer.connect(gateway.urls[0]!);
    await reports(gateway, first, "a");
    await using second = await TcpPeer.connect(gateway.urls[0]!);
    await second.closed;
    assert.equal(gateway.metric('busbar_refused_total{reason="too many from one address"}'), 1);
    await reports(gateway, first, "a");
  });
});
