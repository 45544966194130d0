import assert from "node:assert/strict";
import { test } from "node:test";
import { startGatewayProcess } from "./faults/gateway-process.ts";
import { commandFor } from "@busbar/core";
import { RawClient } from "../plugins/mqtt/listener/testing/raw-client.ts";
import { AttackTarget } from "./attacks/target/attack-target.ts";

const device = "device-1";
const enough = 200;
/** Publications under way at once. */
const window = 50;

test("what the MQTT listener has acknowledged with PUBACK or PUBREC is in the journal when the gateway is killed the moment after", async () => {
  const target = await AttackTarget.open({ plugins: { mqtt: { use: "mqtt/listener", port: 0 } } });
  try {
    const client = await RawClient.login(target.port("mqtt"), device, target.token(device));
    const acknowledged = new Set<number>();
    let sent = 0;
    const send = (): void => {
      const id = ++sent;
      client.say({ cmd: "publish", topic: `event/${device}`, payload: String(id), qos: id % 2 === 0 ? 2 : 1, messageId: id, dup: false, retain: false });
    };
    while (sent < window) send();
    while (acknowledged.size < enough) {
      const packet = await client.next();
      assert.ok(packet?.cmd === "puback" || packet?.cmd === "pubrec", packet?.cmd);
      acknowledged.add(packet.messageId!);
      send();
    }
    await target.process.kill();
    for (const packet of client.heard) if (packet.cmd === "puback" || packet.cmd === "pubrec") acknowledged.add(packet.messageId!);
    client.socket.destroy();

    const again = startGatewayProcess({ folder: target.folder, runtime: { name: "the one under test", command: commandFor }, env: { ATTACK_HS256: target.hs256, ATTACK_LISTENER_TOKEN: target.listenerToken } });
    try {
      const urls = await again.ready;
      const base = [...urls.values()].find((url) => url.startsWith("http://"));
      const answer = await fetch(new URL(`/api/messages?topic=event/${device}&limit=10000`, base), { headers: { authorization: `Bearer ${target.admin()}` } });
      const { messages } = (await answer.json()) as { readonly messages: readonly { readonly payload: number }[] };
      const stored = messages.map(({ payload }) => payload);
      assert.deepEqual([...acknowledged].filter((id) => !stored.includes(id)), []);
      assert.equal(new Set(stored).size, stored.length, "none is stored twice");
    } finally {
      await again.kill();
    }
  } finally {
    await target.destroy();
  }
});
