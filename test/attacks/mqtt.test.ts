import assert from "node:assert/strict";
import type { Packet } from "mqtt-packet";
import { RawClient } from "../../plugins/mqtt/listener/testing/raw-client.ts";
import { attackSuite } from "./target/attack-suite.ts";
import type { AttackTarget } from "./target/attack-target.ts";
import { Spy } from "./target/spy.ts";

const attacker = "device-1";
const victim = "device-9";

/** A connection on which nothing has been said. */
async function open(target: AttackTarget): Promise<RawClient> {
  const client = await RawClient.connect(target.port("mqtt"));
  target.own(() => client.socket.destroy());
  return client;
}

const hello = (id: string, token: string, more: object = {}) => ({ cmd: "connect" as const, clientId: `${id}-client`, protocolId: "MQTT" as const, protocolVersion: 4 as const, clean: true, keepalive: 0, username: id, password: Buffer.from(token), ...more });

/** What CONNACK says; undefined when the connection ended without one. */
async function knock(target: AttackTarget, packet: Packet): Promise<{ readonly client: RawClient; readonly code: number | undefined }> {
  const client = await open(target);
  client.say(packet);
  const answer = await client.next();
  return { client, code: answer?.cmd === "connack" ? answer.returnCode : undefined };
}

async function login(target: AttackTarget, id: string, token = target.token(id)): Promise<RawClient> {
  const { client, code } = await knock(target, hello(id, token));
  assert.equal(code, 0);
  return client;
}

const publish = (topic: string, more: object = {}) => ({ cmd: "publish" as const, topic, payload: "1", qos: 0 as const, messageId: 7, dup: false, retain: false, ...more });

/** Resolves when the gateway has taken everything that was said before. */
async function fence(client: RawClient): Promise<readonly Packet[]> {
  client.say({ cmd: "pingreq" });
  const before: Packet[] = [];
  for (let packet = await client.next(); packet?.cmd !== "pingresp"; packet = await client.next()) {
    if (packet === undefined) throw new Error("the connection ended");
    before.push(packet);
  }
  return before;
}

attackSuite("mqtt", (attack) => {
  attack("publishing on another's topic: what lies outside the own id is never from, and needs a right", async (target) => {
    const spy = await Spy.open(target);
    const client = await login(target, attacker);
    for (const topic of [`status/${victim}`, `event/${victim}/door`, `status/${attacker}0`, "status/all", "command/all", `command/${victim}`]) client.say(publish(topic));
    await fence(client);
    assert.deepEqual(await spy.heard(), []);
  });

  attack("publishing on another's topic at QoS 1 and 2: no acknowledgement, the connection ends", async (target) => {
    for (const qos of [1, 2] as const) {
      const client = await login(target, attacker);
      client.say(publish(`status/${victim}`, { qos }));
      await client.closed;
      assert.deepEqual(client.heard.map(({ cmd }) => cmd), ["connack"]);
    }
  });

  attack("saying what only the gateway says: audit, wills and dead letters are no one's to publish", async (target) => {
    const spy = await Spy.open(target);
    const client = await login(target, attacker, target.admin(attacker));
    for (const topic of [`will/${attacker}`, `audit/${attacker}`, `nonce-seen/${attacker}`, `dead-letter/${attacker}`, "status/gateway", "status/server"]) {
      client.say(publish(topic));
      client.say(publish(`note/${attacker}`)); // a good one in between, or the third bad one would end it
    }
    await fence(client);
    assert.deepEqual([...new Set((await spy.heard()).map(({ type }) => type))], ["note"]);
  });

  attack("a last will on another's topic: refused with the login", async (target) => {
    for (const topic of [`status/${victim}`, `command/${victim}`, "command/all", "will/x", "no topic", "$SYS/x"]) {
      const { client, code } = await knock(target, hello(attacker, target.token(attacker), { will: { topic, payload: Buffer.from("x"), qos: 1, retain: true } }));
      assert.equal(code, 5, topic);
      await client.closed;
    }
  });

  attack("logging in with another's token, a forged one, or none: CONNACK says no", async (target) => {
    const token = target.token(attacker);
    for (const packet of [hello(victim, token), hello(attacker, `${token}x`), hello(attacker, ""), hello("revoked", target.token("revoked", { jti: "revoked-token" })), hello("operator", token)]) {
      const { client, code } = await knock(target, packet);
      assert.ok(code === 4 || code === 5, String(code));
      await client.closed;
    }
    const { client, code } = await knock(target, { cmd: "connect", clientId: "anonymous", protocolId: "MQTT", protocolVersion: 4, clean: true, keepalive: 0 });
    assert.equal(code, 5);
    await client.closed;
  });

  attack("taking over another's connection by its client id: client ids count for their own user only", async (target) => {
    const own = await login(target, victim);
    const { code } = await knock(target, hello(attacker, target.token(attacker), { clientId: `${victim}-client` }));
    assert.equal(code, 0);
    assert.deepEqual(await fence(own), []);
  });

  attack("listening to everything, to others' commands, or through $share: 0x80", async (target) => {
    const client = await login(target, attacker);
    const topics = ["#", "+/#", "status/#", "command/#", `command/${victim}`, "command/all", "ack/#", "$share/g/status/#", "$SYS/#", "will/#", "audit/#"];
    client.say({ cmd: "subscribe", messageId: 3, subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })) });
    const answer = await client.next();
    assert.ok(answer?.cmd === "suback");
    assert.deepEqual(answer.granted, topics.map(() => 0x80));
  });

  attack("poisoning another's retained value: neither set nor cleared", async (target) => {
    const owner = await login(target, victim);
    owner.say(publish(`status/${victim}`, { payload: "21", retain: true, qos: 1 }));
    assert.equal((await owner.next())?.cmd, "puback");
    const client = await login(target, attacker);
    client.say(publish(`status/${victim}`, { payload: "99", retain: true }));
    client.say(publish(`status/${victim}`, { payload: "", retain: true }));
    await fence(client);
    const reader = await login(target, "operator", target.admin("operator"));
    reader.say({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: `status/${victim}`, qos: 0 }] });
    assert.deepEqual((await fence(reader)).flatMap((packet) => (packet.cmd === "publish" ? [packet.payload.toString()] : [])), ["21"]);
  });

  attack("a CONNECT that never ends, or comes a byte at a time: ended in time", async (target) => {
    const silent = await open(target);
    const begun = await open(target);
    begun.bytes(0x10, 0xff, 0xff, 0x03, 0, 4);
    await Promise.all([silent.closed, begun.closed]);
  });

  attack("packets before CONNECT: the connection ends", async (target) => {
    for (const packet of [publish(`status/${attacker}`), { cmd: "pingreq" as const }, { cmd: "subscribe" as const, messageId: 1, subscriptions: [{ topic: "#", qos: 0 as const }] }]) {
      const client = await open(target);
      client.say(packet);
      await client.closed;
      assert.deepEqual(client.heard, []);
    }
  });

  attack("announcing 256 MiB, and packets longer than the limit: ended with the header", async (target) => {
    const client = await login(target, attacker);
    client.bytes(0x30, 0xff, 0xff, 0xff, 0x7f);
    await client.closed;
    const stranger = await open(target);
    stranger.bytes(0x10, 0xff, 0xff, 0xff, 0x7f);
    await stranger.closed;
  });

  attack("a SUBSCRIBE of a hundred thousand filters: ended, not worked off", async (target) => {
    const client = await login(target, attacker);
    client.say({ cmd: "subscribe", messageId: 1, subscriptions: Array.from({ length: 100_000 }, (_, at) => ({ topic: `a/${at}`, qos: 0 as const })) });
    await client.closed;
    assert.equal(client.heard.length, 1);
  });

  attack("sending a publication of QoS 2 over and over: it is stored once until it is released", async (target) => {
    const spy = await Spy.open(target);
    const client = await login(target, attacker);
    for (let time = 0; time < 5; time++) client.say(publish(`event/${attacker}`, { qos: 2, dup: time > 0 }));
    assert.equal((await client.next())?.cmd, "pubrec");
    client.say({ cmd: "pubrel", messageId: 7 });
    assert.ok((await fence(client)).some(({ cmd }) => cmd === "pubcomp"));
    assert.equal((await spy.heard()).length, 1);
  });

  attack("using up packet ids with publications that are never released: ended at 10,000", async (target) => {
    const client = await login(target, attacker);
    for (let id = 1; id <= 10_001 && !client.socket.destroyed; id++) client.say(publish(`event/${attacker}`, { qos: 2, messageId: id }));
    await client.closed;
    assert.ok(client.heard.filter(({ cmd }) => cmd === "pubrec").length <= 10_000);
  });
}, { plugins: { mqtt: { use: "mqtt/listener", port: 0, path: "/mqtt", authTimeout: "1s", frameTimeout: "1s" } } });
