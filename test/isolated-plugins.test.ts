import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig, type Envelope } from "@busbar/core";
import { testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import { Broker } from "../plugins/mqtt/testing/broker.ts";

/** A gateway in which a shipped plugin runs in an isolate, with what its own package.json grants and nothing else. */
async function startIsolated(use: string, section: object): Promise<TestGateway & { readonly heard: Envelope[] }> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-isolated-"));
  const file = join(folder, "busbar.json");
  await writeFile(file, JSON.stringify({ plugins: { subject: { use, isolate: true, ...section } } }));
  const { config, problems } = await loadConfig(file);
  const [instance] = config?.instances ?? [];
  assert.ok(instance, problems.map(formatProblem).join("\n"));
  const gateway = await testPlugin(instance.plugin, instance.config, { cwd: folder });
  const heard: Envelope[] = [];
  gateway.bus.subscribe("#", (message) => void heard.push(message));
  return Object.assign(gateway, {
    heard,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await rm(folder, { recursive: true, force: true });
    },
  });
}

test("mqtt in an isolate sends to its broker, in order, and takes what the broker has", async () => {
  await using broker = await Broker.start({ subscribed: (_packet, peer) => peer.send({ cmd: "publish", topic: "plant/press", payload: Buffer.from('{"bar":5}'), qos: 1, messageId: 1, dup: false, retain: false }) });
  await using gateway = await startIsolated("mqtt", { url: broker.url, reconnect: { min: 10, max: 50 }, out: [{ topics: ["status/#"], to: "busbar/{topic}" }], in: [{ topics: ["plant/+"] }] });
  await Promise.all(Array.from({ length: 250 }, (_one, n) => gateway.bus.deliver({ type: "status", from: "a", payload: { n }, qos: 1 })));
  await until("last publish", () => broker.published.filter(({ topic }) => topic === "busbar/status/a").length === 250);
  assert.deepEqual(broker.published.filter(({ topic }) => topic === "busbar/status/a").map(({ payload }) => (JSON.parse(String(payload)) as { readonly n: number }).n), Array.from({ length: 250 }, (_one, n) => n));
  const message = await until("message of the broker", () => gateway.heard.find(({ from }) => from.startsWith("subject/plant")));
  assert.deepEqual(message.payload, { bar: 5 });
  await until("acknowledgement of it", () => broker.peer("in")?.packets.some(({ cmd }) => cmd === "puback"));
});

test("a webhook in an isolate sends batches, and what its server refuses becomes a dead letter", async () => {
  const bodies: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      bodies.push(text);
      response.writeHead(text.includes("refuse me") ? 422 : 200).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await using gateway = await startIsolated("http/webhook", { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, topics: ["note/#"] });
    await gateway.bus.deliver({ type: "note", payload: "take me" });
    await until("batch", () => bodies.some((text) => text.includes("take me")));
    await gateway.bus.deliver({ type: "note", payload: "refuse me" });
    await until("dead letter", () => gateway.metric("busbar_dead_letters") === 1);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("opcua-sim in an isolate publishes its plant, and serves OPC UA and Modbus", async () => {
  await using gateway = await startIsolated("opcua-sim", { period: "50ms", opcua: { port: 0 }, modbus: { port: 0 } });
  await until("reading", () => gateway.heard.some(({ topic }) => topic === "status/boiler-1"));
  const [opcua, modbus] = gateway.status().addresses.map(({ url }) => new URL(url.replace(/^[^:]+/, "http")));
  const hello = Buffer.alloc(60); // OPC 10000-6 §7.1.2.3
  hello.write("HELF", 0, "latin1");
  [60, 0, 65_536, 65_536, 0, 0, 28].forEach((value, at) => hello.writeUInt32LE(value, 4 + at * 4));
  hello.write("opc.tcp://127.0.0.1:4840/xxx", 32, "latin1");
  assert.equal((await answerTo(opcua!, hello)).toString("latin1", 0, 3), "ACK");
  assert.equal((await answerTo(modbus!, Buffer.from([0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]))).readUInt16BE(0), 1);
});

test("tcp-protobuf in an isolate listens where its config says", async () => {
  await using gateway = await startIsolated("tcp-protobuf", { port: 0, codec: "iot-data" });
  const socket = connect(Number(new URL(gateway.urls[0]!.replace("tcp:", "http:")).port), "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
});

async function answerTo(url: URL, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect(Number(url.port), url.hostname);
  try {
    socket.write(bytes);
    const [answer] = (await once(socket, "data", { signal: AbortSignal.timeout(20_000) })) as [Buffer];
    return answer;
  } finally {
    socket.destroy();
  }
}
