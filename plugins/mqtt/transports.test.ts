import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freePort, testPlugin, until } from "@busbar/core/testkit";
import mqtt from "./mod.ts";
import { Mosquitto, noMosquitto } from "./testing/mosquitto.ts";

const skip = noMosquitto ?? false;
const certificates = join(import.meta.dirname, "testing/certs");
const pem = (name: string): string => readFileSync(join(certificates, name), "utf8");

test("mqtt speaks to Mosquitto over TLS with a client certificate, over WebSocket, and over WebSocket with TLS", { skip }, async () => {
  const [tls, ws, wss] = [await freePort(), await freePort(), await freePort()];
  const files = { "ca.pem": pem("ca.pem"), "server.pem": pem("server.pem"), "server.key": pem("server.key") };
  const secure = ["cafile $folder/ca.pem", "certfile $folder/server.pem", "keyfile $folder/server.key", "require_certificate true"];
  await using _broker = await Mosquitto.start([`listener ${tls} 127.0.0.1`, ...secure, `listener ${ws} 127.0.0.1`, "protocol websockets", `listener ${wss} 127.0.0.1`, "protocol websockets", ...secure], files);
  const own = { caFile: join(certificates, "ca.pem"), certFile: join(certificates, "client.pem"), keyFile: join(certificates, "client.key") };
  for (const [url, more] of [[`mqtts://localhost:${tls}`, { tls: own }], [`ws://127.0.0.1:${ws}/mqtt`, {}], [`wss://localhost:${wss}`, { tls: own }]] as const) {
    for (const protocolVersion of [4, 5]) {
      await using gateway = await testPlugin(mqtt, { url, protocolVersion, ...more, reconnect: { min: 20, max: 100 }, out: [{ topics: ["status/#"], to: "net/{id}" }], in: [{ topics: ["net/#"], type: "echo" }] });
      const heard: unknown[] = [];
      gateway.bus.subscribe("echo/#", ({ payload }) => void heard.push(payload));
      const connected = (direction: string): boolean => gateway.metric(`busbar_mqtt_connected{direction="${direction}",instance="subject"}`) === 1;
      await until(`${url} is connected`, () => connected("out") && connected("in"));
      const large = "x".repeat(4000); // Mosquitto 2.0 takes seconds for what does not fit into one write to a WebSocket
      await Promise.all([1, 2, large, 4].map((payload) => gateway.bus.deliver({ type: "status", from: "a", payload, qos: 1 })));
      await until("all is published", () => gateway.metric('busbar_mqtt_published_total{instance="subject"}') === 4);
      if (protocolVersion === 5) await until("it is known as an echo", () => gateway.metric('busbar_mqtt_echo_total{instance="subject"}') === 4);
      else await until("it is heard", () => heard.length === 4);
      if (protocolVersion === 4) assert.deepEqual(heard, [1, 2, large, 4]);
    }
  }
  for (const [url, more, reason] of [[`mqtts://localhost:${tls}`, {}, /self.signed|unable to|UNABLE|UnknownIssuer|SELF_SIGNED/i], [`wss://localhost:${wss}`, {}, /self.signed|unable to|UNABLE|UnknownIssuer|SELF_SIGNED/i], [`ws://127.0.0.1:${tls}/mqtt`, {}, /./]] as const) {
    await using gateway = await testPlugin(mqtt, { url, ...more, connectTimeout: 2000, out: [{ topics: ["#"] }] });
    await until("it says why not", () => gateway.log.some(({ fields }) => reason.test(String(fields["reason"] ?? ""))));
    assert.equal(gateway.metric('busbar_mqtt_connected{direction="out",instance="subject"}'), 0);
  }
  await assert.rejects(testPlugin(mqtt, { url: `mqtts://localhost:${tls}`, tls: { caFile: "none.pem" }, out: [{ topics: ["#"] }] }), /Cannot read the authorities of the broker "[^"]*none\.pem": there is no such file/);
});
