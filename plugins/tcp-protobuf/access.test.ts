import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { IoTDataSchema } from "@busbar/core/proto/gen/busbar/v1/devices_pb.ts";
import { testPlugin, type TestGateway } from "@busbar/core/testkit";
import { createNetworkTest, isLoopback, isNetwork } from "@busbar/core";
import { tcpProtobuf } from "./mod.ts";
import { TcpPeer } from "./testing/tcp-peer.ts";

const report = (deviceId: string): Uint8Array => toBinary(IoTDataSchema, create(IoTDataSchema, { deviceId }));
const reports = async (gateway: TestGateway, peer: TcpPeer, deviceId: string): Promise<void> => {
  const seen = gateway.next(`status/${deviceId}`);
  peer.send(report(deviceId));
  await seen;
};
const refused = (gateway: TestGateway, reason: string): number => gateway.metric(`busbar_refused_total{reason="${reason}"}`);

describe("tcp-protobuf with a listener token", () => {
  const token = "a-token-of-the-listener";
  const config = { port: 0, codec: "iot-data", clients: { by: "token", token } };

  it("lets in who sends it first, even a byte at a time", async () => {
    await using gateway = await testPlugin(tcpProtobuf, config);
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    for (const byte of [token.length, ...Buffer.from(token)]) peer.socket.write(Uint8Array.of(byte));
    await reports(gateway, peer, "sensor-1");
  });

  it("ends who sends something else, and takes nothing from it", async () => {
    await using gateway = await testPlugin(tcpProtobuf, config);
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    const seen: string[] = [];
    gateway.bus.subscribe("status/#", ({ from }) => void seen.push(from));
    peer.send(Buffer.from(token + "!"));
    peer.send(Buffer.from(token));
    peer.send(report("sensor-1"));
    await peer.closed;
    assert.deepEqual(seen, []);
    assert.equal(refused(gateway, "authFailed"), 1);
    assert.ok(!JSON.stringify(gateway.log).includes(token));
  });

  it("ends who sends nothing in time", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { ...config, authTimeout: 30 });
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    await peer.closed;
    assert.equal(refused(gateway, "authTimeout"), 1);
  });

  it("ends who sends bytes that are no frame, counted once", async () => {
    await using gateway = await testPlugin(tcpProtobuf, config);
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    peer.socket.write(new Uint8Array(30).fill(0xff));
    await peer.closed;
    assert.equal(refused(gateway, "protocol error"), 1);
  });
});

describe("tcp-protobuf with source networks", () => {
  const clients = (...allow: object[]) => ({ port: 0, codec: "iot-data", clients: { by: "network", allow } });

  it("lets in an address that an entry covers, and nobody else", async () => {
    await using open = await testPlugin(tcpProtobuf, clients({ cidr: "10.0.0.0/8" }, { cidr: "127.0.0.0/8" }));
    await using peer = await TcpPeer.connect(open.urls[0]!);
    await reports(open, peer, "sensor-1");
    await using closed = await testPlugin(tcpProtobuf, clients({ cidr: "10.0.0.0/8" }, { cidr: "127.0.0.2" }));
    await using stranger = await TcpPeer.connect(closed.urls[0]!);
    await stranger.closed;
    assert.equal(refused(closed, "address not allowed"), 1);
  });

  it("takes from a network with `within` only what is said by those ids", async () => {
    await using gateway = await testPlugin(tcpProtobuf, clients({ cidr: "127.0.0.0/8", within: "line-1" }));
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    const seen: string[] = [];
    gateway.bus.subscribe("status/#", ({ from }) => void seen.push(from));
    peer.send(report("line-10/press"));
    await reports(gateway, peer, "line-1/press");
    assert.deepEqual(seen, ["line-1/press"]);
    assert.ok(refused(gateway, "FORBIDDEN") === 1, gateway.kernel.gateway.metrics());
  });

  it("gives the devices the roles of the entry", async () => {
    await using gateway = await testPlugin(tcpProtobuf, clients({ cidr: "127.0.0.1", roles: ["none"] }));
    await using peer = await TcpPeer.connect(gateway.urls[0]!);
    const seen: string[] = [];
    gateway.bus.subscribe("status/#", ({ from }) => void seen.push(from));
    peer.send(report("sensor-1"));
    peer.send(Uint8Array.of(10, 9, 97)); // ends the connection, after the frame before it was looked at
    await peer.closed;
    assert.deepEqual(seen, []);
    assert.equal(refused(gateway, "FORBIDDEN"), 1);
  });
});

describe("tcp-protobuf with TLS", () => {
  const file = (name: string): string => fileURLToPath(new URL(`./testing/certs/${name}`, import.meta.url));
  const pem = (name: string): Buffer => readFileSync(file(name));
  const tls = { certFile: file("server.pem"), keyFile: file("server.key"), caFile: file("ca.pem"), requestClientCert: true };
  const ca = { ca: pem("ca.pem"), servername: "localhost" };
  const own = { ...ca, cert: pem("client.pem"), key: pem("client.key") };
  const stranger = { ...ca, cert: pem("stranger.pem"), key: pem("stranger.key") };

  it("codec envelope: a client certificate stands for the auth frame", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, tls });
    await using peer = await TcpPeer.connect(gateway.urls[0]!, own);
    const seen = gateway.next("status/press-1");
    peer.say({ case: "envelope", value: { type: "status", payload: { case: "json", value: "1" } } });
    assert.equal((await seen).from, "press-1");
  });

  it("codec envelope: without a certificate that counts the auth frame is needed", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, tls });
    for (const options of [ca, stranger]) {
      await using peer = await TcpPeer.connect(gateway.urls[0]!, options);
      peer.say({ case: "envelope", value: { type: "status", from: "press-1", payload: { case: "json", value: "1" } } });
      await peer.closed;
    }
    await using peer = await TcpPeer.connect(gateway.urls[0]!, ca);
    peer.say({ case: "auth", value: { deviceId: "lamp-1", token: "lamp-1" } });
    assert.equal((await peer.hear()).case, "authResponse");
  });

  it("codec iot-data by certificate: speaks for the certificate's id, not for another", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data", tls, clients: { by: "certificate" } });
    await using peer = await TcpPeer.connect(gateway.urls[0]!, own);
    const seen: string[] = [];
    gateway.bus.subscribe("status/#", ({ from }) => void seen.push(from));
    peer.send(report("press-2"));
    await reports(gateway, peer, "press-1/motor");
    assert.deepEqual(seen, ["press-1/motor"]);
    assert.equal(refused(gateway, "FORBIDDEN"), 1);
  });

  it("codec iot-data by certificate: nobody gets in without one, or with a stranger's", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, codec: "iot-data", tls, clients: { by: "certificate" } });
    for (const options of [ca, stranger]) {
      const peer = await TcpPeer.connect(gateway.urls[0]!, options).catch(() => undefined); // TLS 1.3 tells the client only afterwards
      await peer?.closed;
    }
    await using peer = await TcpPeer.connect(gateway.urls[0]!, own);
    await reports(gateway, peer, "press-1");
    assert.ok(gateway.log.some((line) => line.message === "TLS handshake failed"));
  });

  it("a client that speaks no TLS is ended, the neighbour goes on", async () => {
    await using gateway = await testPlugin(tcpProtobuf, { port: 0, tls });
    const { port } = new URL(gateway.urls[0]!);
    const plain = connect(Number(port), "127.0.0.1").on("error", () => {});
    plain.write(report("sensor-1"));
    plain.resume();
    await once(plain, "close");
    await using peer = await TcpPeer.connect(gateway.urls[0]!, own);
    const seen = gateway.next("status/press-1");
    peer.say({ case: "envelope", value: { type: "status", payload: { case: "json", value: "1" } } });
    await seen;
  });

  it("refuses to start with a key that does not belong to the certificate", async () => {
    await assert.rejects(testPlugin(tcpProtobuf, { port: 0, tls: { ...tls, keyFile: file("client.key") } }), { code: "CONFIG", message: /they do not belong together/ });
    await assert.rejects(testPlugin(tcpProtobuf, { port: 0, tls: { ...tls, keyFile: file("make.sh") } }), { code: "CONFIG", message: /it is no PEM file of a key/ });
  });
});

describe("addresses of a config", () => {
  it("isLoopback() knows what only this machine reaches", () => {
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::ffff:127.0.0.1"]) assert.ok(isLoopback(host), host);
    for (const host of ["0.0.0.0", "::", "192.168.0.1", "plant.example", "127.example.com", ""]) assert.ok(!isLoopback(host), host);
  });

  it("isNetwork() takes addresses and CIDR networks", () => {
    for (const text of ["10.0.0.0/8", "192.168.7.9", "fd00::/8", "::1", "0.0.0.0/0"]) assert.ok(isNetwork(text), text);
    for (const text of ["10.0.0.0/33", "fd00::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/8/8", "plant", "", "/8"]) assert.ok(!isNetwork(text), text);
  });

  it("createNetworkTest() covers what lies in the network, IPv4 in IPv6 too", () => {
    const table: readonly [network: string, address: string, covered: boolean][] = [
      ["10.0.0.0/8", "10.255.0.1", true], ["10.0.0.0/8", "11.0.0.1", false], ["10.0.0.0/8", "::ffff:10.1.2.3", true], ["10.1.2.3", "10.1.2.3", true], ["10.1.2.3", "10.1.2.4", false],
      ["fd00::/8", "fd12::1", true], ["fd00::/8", "fe80::1", false], ["::/0", "10.1.2.3", false], ["0.0.0.0/0", "fd12::1", false], ["0.0.0.0/0", "1.2.3.4", true], ["10.0.0.0/8", "unknown", false],
    ];
    for (const [network, address, covered] of table) assert.equal(createNetworkTest(network)(address), covered, `${address} in ${network}`);
  });
});
