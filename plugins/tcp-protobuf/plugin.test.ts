import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { IoTDataSchema, UserInformSchema, UserOrderSchema } from "@busbar/core/proto/gen/busbar/v1/devices_pb.ts";
import { testPlugin } from "@busbar/core/testkit";
import { tcpProtobuf } from "./mod.ts";
import { TcpPeer } from "./testing/tcp-peer.ts";

const report = (deviceId: string, value = 21.3): Uint8Array => toBinary(IoTDataSchema, create(IoTDataSchema, { deviceId, timestamp: 5n, readings: [{ sensorId: "t", value, unit: "°C" }] }));

describe("tcp-protobuf", () => {
  it("codec envelope: a device authenticates, reports, is acknowledged, gets its commands and answers them", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0 });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    peer.say({ case: "auth", value: { deviceId: "lamp-1", token: "lamp-1" } });
    const hello = await peer.hear();
    assert.ok(hello.case === "authResponse" && hello.value.status === "success");
    const seen = gateway.next("status/lamp-1");
    peer.say({ case: "envelope", value: { msgid: "m1", type: "status", from: "lamp-1", payload: { case: "json", value: '{"on":true}' }, qos: 1 } });
    assert.deepEqual((await seen).payload, { on: true });
    const ack = await peer.hear();
    assert.ok(ack.case === "ack" && ack.value.msgid === "m1" && ack.value.status === "ok");
    const answer = gateway.bus.request({ type: "command", to: "lamp-1", payload: { on: false } }, { signal: AbortSignal.timeout(20_000) });
    const command = await peer.hear();
    assert.ok(command.case === "envelope" && command.value.type === "command" && command.value.payload.value === '{"on":false}');
    peer.say({ case: "ack", value: { msgid: command.value.msgid, status: "ok", payload: { case: "json", value: "7" } } });
    assert.equal(((await answer).payload as { result?: unknown }).result, 7);
  });

  it("codec envelope: a device that claims another's id is refused and stays connected", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0 });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    peer.say({ case: "auth", value: { deviceId: "home-7", token: "home-7" } });
    await peer.hear();
    peer.say({ case: "envelope", value: { msgid: "x", type: "status", from: "home-70", payload: { case: "json", value: "1" } } });
    const refusal = await peer.hear();
    assert.ok(refusal.case === "error" && refusal.value.code === "FORBIDDEN");
    const seen = gateway.next("status/home-7/lamp");
    peer.say({ case: "envelope", value: { type: "status", from: "home-7/lamp", payload: { case: "json", value: "1" } } });
    assert.equal((await seen).from, "home-7/lamp");
  });

  it("codec envelope: a silent client is ended when its time to authenticate is over", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, authTimeout: 30 });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    await peer.closed;
    assert.equal(gateway.metric('busbar_refused_total{reason="authTimeout"}'), 1);
  });

  it("codec iot-data: reports become status messages, however they are cut", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data" });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    const seen = gateway.next("status/sensor-001");
    const bytes = Uint8Array.from([report("other").length, ...report("other"), report("sensor-001").length, ...report("sensor-001")]);
    peer.socket.write(bytes.subarray(0, 1));
    peer.socket.write(bytes.subarray(1, 30));
    peer.socket.write(bytes.subarray(30));
    const message = await seen;
    assert.deepEqual([message.timestamp, message.payload], [5, { values: [{ tag: "t", value: 21.3, unit: "°C" }], quality: "good" }]);
  });

  it("codec user-inform: commands wait until the user's gateway speaks", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "user-inform" });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    await gateway.bus.deliver({ type: "command", to: "user/7", payload: { order: 3 }, qos: 1 });
    const seen = gateway.next("status/user/7/2/1");
    peer.send(toBinary(UserInformSchema, create(UserInformSchema, { userId: 7, sensorType: 2, sensorId: 1, sensorValue: 40 })));
    assert.deepEqual((await seen).payload, { value: 40 });
    assert.deepEqual(fromBinary(UserOrderSchema, (await peer.next())!), create(UserOrderSchema, { userId: 7, order: 3 }));
  });

  it("codec custom: messages of a descriptor set in, commands out", async () => {
    const path = fileURLToPath(new URL("../../core/codec/testdata/every-type.binpb", import.meta.url));
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)));
    const machine = registry.getMessage("test.codec.Machine")!;
    const order = registry.getMessage("test.codec.Order")!;
    const custom = { descriptorSet: path, message: "test.codec.Machine", from: "{header.line}/{header.device}", payload: { readings: { temp: "temperature" } }, command: "test.codec.Order" };
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "custom", custom });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    const seen = gateway.next("status/line-1/press");
    peer.send(toBinary(machine, create(machine, { header: { line: "line-1", device: "press" }, temperature: 60.5 } as never)));
    assert.deepEqual((await seen).payload, { values: [{ tag: "temp", value: 60.5 }], quality: "good" });
    gateway.bus.publish({ type: "command", to: "line-1/press", payload: { switch: "fan" } });
    assert.deepEqual(fromBinary(order, (await peer.next())!), create(order, { switch: "fan" } as never));
  });

  it("refuses a port that is in use, naming it", async () => {
    await using other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await assert.rejects(testPlugin(tcpProtobuf, { port }), { code: "UNAVAILABLE", message: new RegExp(`Cannot listen on 127.0.0.1:${port}: the port is in use`) });
  });

  it("refuses a descriptor set that is not there, naming it", async () => {
    await assert.rejects(testPlugin(tcpProtobuf, { port: 0, codec: "custom", custom: { descriptorSet: "no.binpb", message: "a.B", from: "c" } }, { cwd: "/tmp" }), { code: "CONFIG", message: /Cannot read the descriptor set "\/tmp\/no.binpb": there is no such file/ });
  });

  it("ends its connections and frees its port when it stops", async () => {
    const gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data" });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    const seen = gateway.next("status/a");
    peer.send(report("a"));
    await seen;
    await gateway.stop();
    await peer.closed;
    await assert.rejects(TcpPeer.connect(gateway.urls[0]!), { code: "ECONNREFUSED" });
  });
});
