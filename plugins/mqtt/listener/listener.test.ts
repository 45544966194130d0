import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Authority } from "@busbar/core";
import { assertLedgerBalances, openAuthority, until } from "@busbar/core/testkit";
import { openListening } from "./testing/listening.ts";

describe("mqtt listener, with MQTT.js", () => {
  for (const over of ["tcp", "ws"] as const) {
    it(`takes and delivers every QoS over ${over}, on the envelope's own topics`, async () => {
      const open = openAuthority();
      const transports: string[] = [];
      const authority: Authority = {
        ...open,
        authenticate(credentials, origin) {
          transports.push(origin.transport);
          return open.authenticate(credentials, origin);
        },
      };
      await using listening = await openListening({}, { authority });
      const { gateway } = listening;
      const app = await listening.connect("app", { over });
      const granted = await app.mqtt.subscribeAsync("note/#", { qos: 2 });
      assert.deepEqual(granted.map(({ topic, qos }) => [topic, qos]), [["note/#", 2]]);
      const device = await listening.connect("d-1", { over });
      for (const qos of [0, 1, 2] as const) {
        const heard = gateway.next("note/d-1/lamp");
        await device.mqtt.publishAsync("note/d-1/lamp", JSON.stringify({ qos }), { qos });
        const { from, to, type, payload, qos: said } = await heard;
        assert.deepEqual([from, to, type, payload, said], ["d-1/lamp", "server", "note", { qos }, qos]);
        assert.deepEqual(await app.next(), { topic: "note/d-1/lamp", payload: JSON.stringify({ qos }), qos, retain: false, dup: false });
      }
      const bytes = gateway.next("note/d-1");
      await device.mqtt.publishAsync("note/d-1", Buffer.from([0xff, 0, 1]), { qos: 1 });
      assert.deepEqual((await bytes).payload, new Uint8Array([0xff, 0, 1]));
      const other = gateway.next("note/elsewhere");
      await device.mqtt.publishAsync("note/elsewhere", "1", { qos: 1 });
      const { from, to } = await other;
      assert.deepEqual([from, to], ["d-1", "elsewhere"]);
      assert.deepEqual(transports, ["mqtt", "mqtt"]);
      await device.mqtt.endAsync();
      await app.mqtt.endAsync();
      assertLedgerBalances(gateway.kernel.gateway.metrics());
    });
  }

  it("delivers at the lower QoS of message and subscription, and once however many filters match", async () => {
    await using listening = await openListening();
    const app = await listening.connect("app");
    await app.mqtt.subscribeAsync("status/#", { qos: 1 });
    await app.mqtt.subscribeAsync("+/d-1", { qos: 0 });
    await listening.gateway.bus.deliver({ type: "status", from: "d-1", payload: "once", qos: 2 });
    await listening.gateway.bus.deliver({ type: "status", from: "d-2", payload: "next", qos: 2 });
    assert.equal((await app.next()).payload, '"once"');
    const { payload, qos } = await app.next();
    assert.deepEqual([payload, qos], ['"next"', 1]);
  });

  it("keeps retained messages, hands them over with RETAIN at each SUBSCRIBE, and forgets them with an empty payload", async () => {
    await using listening = await openListening();
    const device = await listening.connect("d-1");
    await device.mqtt.publishAsync("status/d-1", "21", { qos: 1, retain: true });
    const app = await listening.connect("app");
    for (let time = 0; time < 2; time++) {
      await app.mqtt.subscribeAsync("status/+", { qos: 1 });
      assert.deepEqual(await app.next(), { topic: "status/d-1", payload: "21", qos: 1, retain: true, dup: false });
    }
    await device.mqtt.publishAsync("status/d-1", "22", { qos: 0, retain: true });
    assert.deepEqual(await app.next(), { topic: "status/d-1", payload: "22", qos: 0, retain: false, dup: false });
    await device.mqtt.publishAsync("status/d-1", "", { qos: 1, retain: true });
    assert.equal((await app.next()).payload, "");
    const late = await listening.connect("late");
    await late.mqtt.subscribeAsync("status/+", { qos: 1 });
    await device.mqtt.publishAsync("status/d-1", "live", { qos: 1 });
    assert.equal((await late.next()).payload, "live");
  });

  it("publishes the will of a client that is gone without DISCONNECT, and of no other", async () => {
    await using listening = await openListening();
    const app = await listening.connect("app");
    await app.mqtt.subscribeAsync("event/d-1/#", { qos: 1 });
    const will = (payload: string) => ({ will: { topic: "event/d-1/gone", payload: Buffer.from(payload), qos: 1 as const, retain: false } });
    const polite = await listening.connect("d-1", will("polite"));
    await polite.mqtt.endAsync();
    const rude = await listening.connect("d-1", will("rude"));
    rude.mqtt.stream.destroy();
    for (;;) {
      const { topic, payload } = await app.next();
      if (topic !== "event/d-1/gone") continue; // its presence
      assert.equal(payload, "rude");
      return;
    }
  });

  it("grants or refuses each filter by itself, 0x80 where the rights, the form or $share say no", async () => {
    await using listening = await openListening();
    const app = await listening.connect("app");
    const granted: number[] = [];
    app.mqtt.on("packetreceive", (packet) => void (packet.cmd === "suback" && granted.push(...(packet.granted as number[]))));
    for (const topic of ["status/#", "$share/g/status/#", "$SYS/#", "will/#"]) await app.mqtt.subscribeAsync(topic, { qos: 1 }).catch(() => {});
    assert.deepEqual(granted, [1, 0x80, 0x80, 0x80]);
    const nobody = await listening.connect("nobody", { password: "nobody:none" });
    await assert.rejects(nobody.mqtt.subscribeAsync("status/nobody", { qos: 1 }));
    assert.equal(nobody.mqtt.connected, true);
  });

  it("turns away who shows the wrong password or none, with the code of CONNACK", async () => {
    await using listening = await openListening();
    const refusal = async (id: string, options: object): Promise<unknown> => (await listening.connect(id, options).then(() => undefined, (error: unknown) => error) as { code?: number } | undefined)?.code;
    assert.equal(await refusal("d-1", { password: "d-2" }), 4);
    assert.equal(await refusal("d-1", { password: undefined }), 5);
    assert.equal(await refusal("d-1", { username: undefined, password: undefined }), 5);
    assert.equal(await refusal("d-1", { password: "d-1:none", will: { topic: "event/d-1", payload: Buffer.from("x"), qos: 0, retain: false } }), 5);
    assert.equal(await refusal("d-1", { protocolVersion: 5 }), 0x84);
  });

  it("ends the connection over a publication of QoS 1 that is refused, as an acknowledgement would be a lie; one of QoS 0 is dropped and counted", async () => {
    await using listening = await openListening();
    const device = await listening.connect("d-1", { password: "d-1:none" });
    await device.mqtt.publishAsync("status/d-1", "1", { qos: 0 });
    await until("it is refused", () => listening.gateway.metric('busbar_refused_total{reason="FORBIDDEN"}') === 1);
    assert.equal(device.mqtt.connected, true);
    device.mqtt.publish("status/d-1", "1", { qos: 1 });
    await device.closed;
  });

  it("brings a device its commands once it has subscribed to them, with what had waited, and takes PUBACK for the answer", async () => {
    await using listening = await openListening();
    const { bus } = listening.gateway;
    await bus.deliver({ type: "command", to: "lamp-1", payload: "waited", msgid: "c1" });
    const answered = listening.gateway.next("ack/gateway");
    const lamp = await listening.connect("lamp-1");
    await lamp.mqtt.subscribeAsync("command/lamp-1/#", { qos: 1 });
    assert.deepEqual(await lamp.next(), { topic: "command/lamp-1", payload: '"waited"', qos: 1, retain: false, dup: false });
    assert.deepEqual((await answered).payload, { msgid: "c1", status: "ok" });
    const answer = await bus.request({ type: "command", to: "all", payload: "everybody", msgid: "c2", qos: 1 }, { signal: AbortSignal.timeout(20_000) });
    assert.deepEqual(answer.payload, { msgid: "c2", status: "ok" });
    assert.equal((await lamp.next()).topic, "command/lamp-1");
  });

  it("lets a newer connection take the place of an older one of the same device, or of the same user and client id", async () => {
    await using listening = await openListening();
    const first = await listening.connect("d-1");
    await listening.connect("d-1", { clientId: "another" });
    await first.closed;
  });

  it("lets a user have several connections, one for each client id", async () => {
    const open = openAuthority();
    const authority: Authority = { ...open, authenticate: async (credentials, origin) => ({ ...(await open.authenticate(credentials, origin)), user: true }) };
    await using listening = await openListening({}, { authority });
    const phone = await listening.connect("ann", { clientId: "phone" });
    const tablet = await listening.connect("ann", { clientId: "tablet" });
    const other = await listening.connect("bob", { clientId: "phone" });
    const again = await listening.connect("ann", { clientId: "phone" });
    await phone.closed;
    for (const { mqtt } of [tablet, other, again]) {
      await mqtt.subscribeAsync("status/#", { qos: 1 });
      assert.equal(mqtt.connected, true);
    }
  });

  it("ends a client that says nothing for one and a half times its keep alive", async () => {
    await using listening = await openListening({ authTimeout: "100ms" });
    const lively = await listening.connect("lively", { keepalive: 30 });
    const silent = await listening.connect("silent", { keepalive: 1, timerVariant: { set: () => 0, clear: () => {} } });
    await silent.closed;
    assert.equal(lively.mqtt.connected, true);
  });
});
