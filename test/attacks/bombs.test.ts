import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { varintFraming } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import type { RawClient } from "../../plugins/websocket/testing/raw-client.ts";
import { sumOf } from "./target/assert-unharmed.ts";
import { attackSuite } from "./target/attack-suite.ts";
import { sessionTransports, type AttackTarget } from "./target/attack-target.ts";
import { envelopeFrame } from "./target/device-frames.ts";
import { openJsonClient } from "./target/json-client.ts";
import { openRawWebSocket } from "./target/raw-web-socket.ts";
import { Spy } from "./target/spy.ts";

const id = "device-1";
const listeners = ["tcp", "iot", "users", "line"] as const;
const megabyte = 1024 * 1024;
const nest = (depth: number, open = "[", close = "]"): string => open.repeat(depth) + close.repeat(depth);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Refusals of the gateway so far, by reason. */
const refusals = async (target: AttackTarget, reason: string): Promise<number> => sumOf(await target.metrics(), "busbar_refused_total", `reason="${reason}"`);

/** Sends bytes to each TCP listener, by a connection that is otherwise as it should be; it is ended, and the refusal counted. */
async function assertEnds(target: AttackTarget, bytes: Uint8Array, reason: string): Promise<void> {
  const before = await refusals(target, reason);
  await Promise.all(listeners.map(async (listener) => {
    const socket = await target.raw(listener);
    if (listener === "iot" || listener === "users") socket.write(varintFraming.frame(utf8(target.listenerToken)));
    socket.write(bytes);
    await socket.ended();
  }));
  assert.ok((await refusals(target, reason)) - before >= listeners.length, reason);
}

/** A protobuf field of wire type 2. */
const lengthDelimited = (field: number, body: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of((field << 3) | 2), varintFraming.frame(body)]);

/** A session that has subscribed to `blob/#` and reads no more. */
async function openSlowReader(target: AttackTarget): Promise<RawClient> {
  const slow = await openRawWebSocket(target, { token: target.admin("slow") });
  slow.sendJson({ type: "subscribe", topic: "blob/#", qos: 0, ref: "slow" });
  await slow.json("subscribed");
  slow.socket.pause();
  return slow;
}

attackSuite("bombs", (attack) => {
  attack("a length varint of six bytes, and one that never ends: five are the most", async (target) => {
    await assertEnds(target, Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x01), "protocol error");
    await assertEnds(target, new Uint8Array(100_000).fill(0xff), "protocol error");
  });

  attack("a frame announced as 2 GiB, 4 GiB, or one byte over the limit: ended at the announcement", async (target) => {
    for (const length of [Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x08), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), Uint8Array.of(0x81, 0x80, 0x40)]) await assertEnds(target, length, "TOO_LARGE");
  });

  attack("300 connections that each announce a frame of 1 MiB and send one byte: memory grows with what came, not with what was announced", async (target) => {
    const sockets = await Promise.all(Array.from({ length: 300 }, () => target.raw("tcp")));
    for (const socket of sockets) socket.write(Uint8Array.of(0x80, 0x80, 0x40, 0x0a));
    const peer = await target.login("tcp", target.token(id), id);
    peer.publish({ type: "status", from: id, msgid: "between", qos: 1, payload: 1 });
    await peer.next("ack");
  });

  attack("100,000 empty frames: the third invalid frame in a row ends it", async (target) => {
    for (const listener of listeners) {
      const socket = await target.raw(listener);
      socket.write(new Uint8Array(100_000));
      await socket.ended();
    }
  });

  attack("a field whose length goes beyond its message, a varint of 11 bytes, a group that is never closed: what does not decode ends the connection", async (target) => {
    for (const bytes of [Uint8Array.of(0x0a, 0x7f, 1), Uint8Array.of(0x08, ...new Array<number>(11).fill(0xff)), Uint8Array.of(0x7b), Uint8Array.of(0x7c), Uint8Array.of(0x00, 0x00), Uint8Array.of(0x0e, 0x01)]) {
      await assertEnds(target, varintFraming.frame(bytes), "protocol error");
    }
  });

  attack("groups nested 100,000 deep in an unknown field: a hundred levels are the most", async (target) => {
    const bytes = new Uint8Array(200_000).fill(0x7b, 0, 100_000).fill(0x7c, 100_000);
    await assertEnds(target, varintFraming.frame(bytes), "protocol error");
  });

  attack("text that is not UTF-8 in every string of an envelope: it does not decode", async (target) => {
    for (const field of [1, 2, 4, 5, 6]) {
      const peer = await target.login("tcp", target.token(id), id);
      peer.sendBytes(lengthDelimited(3, lengthDelimited(field, Uint8Array.of(0xff, 0xfe, 0xc0, 0x80))));
      if (field === 1) assert.equal((await peer.next("error"))["code"], "BAD_FRAME"); // another version, whatever its bytes
      else await peer.end();
    }
  });

  for (const transport of sessionTransports) {
    attack(`a payload nested 100,000 deep over ${transport}: 64 levels are the most`, async (target) => {
      const peer = await target.login(transport, target.token(id), id);
      for (const payload of [nest(100_000), nest(65), nest(70_000, '{"a":', "}").replace("}", "1}")]) {
        peer.sendBytes(transport === "ws" ? utf8(`{"type":"status","from":"${id}","payload":${payload}}`) : envelopeFrame({ type: "status", from: id, json: payload }));
        if (peer.closed) break;
      }
      assert.equal((await peer.end()).code, transport === "tcp" ? undefined : 4400);
    });
  }

  attack("frames nested 200,000 deep outside of the payload: nobody walks them", async (target) => {
    for (const text of [nest(200_000), `{"type":"ping","x":${nest(200_000)}}`, `{"type":${nest(200_000)}}`, `{"a":`.repeat(100_000)]) {
      const peer = await target.login("ws", target.token(id), id);
      peer.sendBytes(utf8(text));
      peer.sendBytes(utf8('{"type":"disconnect"}'));
      await peer.end();
    }
  });

  attack("a batch of 1,001 messages, and one of 400,000 empty ones: 1,000 are the most", async (target) => {
    const json = await target.login("ws", target.token(id), id);
    json.sendBytes(utf8(JSON.stringify({ type: "batch", data: Array.from({ length: 1001 }, () => ({ type: "status", payload: 1 })) })));
    assert.equal((await json.next("error"))["code"], "BAD_FRAME");
    const empty = new Uint8Array(800_000);
    for (let at = 0; at < empty.length; at += 2) empty[at] = 0x0a;
    for (const transport of ["ws-proto", "tcp"] as const) {
      const peer = await target.login(transport, target.token(id), id);
      peer.sendBytes(lengthDelimited(4, empty));
      assert.equal((await peer.next("error"))["code"], "BAD_FRAME");
    }
    const { status } = await target.http({ path: "/api/messages", token: target.token(id), body: Array.from({ length: 1001 }, () => ({ type: "status", payload: 1 })) });
    assert.equal(status, 422);
  });

  attack("more than 50,000 messages a second in batches: the rate counts each message of a batch", async (target) => {
    const client = await openJsonClient(target, { token: target.token(id), deviceId: id });
    const batch = JSON.stringify({ type: "batch", data: Array.from({ length: 1000 }, () => ({ type: "status", payload: 1 })) });
    for (let at = 0; at < 400 && client.ws.readyState === 1; at++) client.sendRaw(batch);
    assert.equal((await client.closed).code, 4029);
  });

  attack("an iot-data frame of 1 MiB with 200,000 readings: a message like any other, which nobody waits for", async (target) => {
    const reading = Uint8Array.of(0x1a, 3, 0x0a, 1, 0x61);
    const frame = Buffer.concat([lengthDelimited(1, utf8("line-1")), ...Array.from({ length: 200_000 }, () => reading)]);
    const socket = await target.raw("line");
    for (let times = 0; times < 3; times++) socket.write(varintFraming.frame(frame));
    const received = async (): Promise<number> => sumOf(await target.metrics(), "busbar_storage_readings_dropped_total", 'reason="too-many-values"');
    await until("storage has refused to keep so many values", async () => (await received()) > 0);
  });

  attack("numbers that are none or too large, as timestamp, qos, expires, since and limit: BAD_FRAME", async (target) => {
    for (const number of ["1e400", "-1e400", "-1", "0.5", "1e308", "9007199254740993", "99999999999999999999999999", '"1"', "null", "[]", "true", '{"valueOf":1}']) {
      for (const field of ["qos", "expires", "timestamp"]) {
        if (field !== "qos" && ["-1", "0.5", "9007199254740993"].includes(number)) continue; // odd, but numbers
        const peer = await target.login("ws", target.token(id), id);
        peer.sendBytes(utf8(`{"type":"status","from":"${id}","msgid":"n","payload":1,"${field}":${number}}`));
        const outcome = field === "qos" || !/^-?\d/.test(number) ? await peer.next("error").then(({ code }) => code) : "BAD_FRAME";
        assert.equal(outcome, "BAD_FRAME", `${field} ${number}`);
      }
      const reader = await target.login("ws", target.admin(), "operator");
      reader.sendBytes(utf8(`{"type":"subscribe","topic":"status/#","ref":"s","overflow":"latest","since":${number},"limit":${number}}`));
      assert.equal((await reader.next("error"))["code"], "BAD_FRAME", number);
    }
  });

  attack("a payload with 100,000 keys, one of a megabyte, one key 10,000 times: it passes as it came, and is a message like any other", async (target) => {
    const spy = await Spy.open(target, `note/${id}`);
    const peer = await target.login("ws", target.token(id, { roles: ["admin"] }), id);
    const payloads = [`{${Array.from({ length: 100_000 }, (_, at) => `"${at}":0`).join(",")}}`, `"${"x".repeat(1_000_000)}"`, `{${Array.from({ length: 10_000 }, () => '"a":1').join(",")}}`];
    for (const payload of payloads) peer.sendBytes(utf8(`{"type":"note","from":"${id}","payload":${payload}}`));
    peer.publish({ type: "note", from: id, msgid: "end", qos: 1, payload: "end" });
    await peer.next("ack");
    assert.equal((await spy.heard()).length, 4);
  });

  attack("more than 100 subscriptions in one session: refused", async (target) => {
    for (const transport of sessionTransports) {
      const peer = await target.login(transport, target.admin(), "operator");
      for (let at = 0; at < 101; at++) peer.send({ kind: "subscribe", topic: `status/${at}/#`, qos: 0, since: undefined, ref: `s-${at}`, binary: false });
      assert.equal((await peer.next("error"))["code"], "OVERLOAD");
    }
  });

  attack("more than 1,000 devices through one iot-data connection: refused", async (target) => {
    const refused = async (): Promise<number> => refusals(target, "OVERLOAD");
    const before = await refused();
    const socket = await target.raw("line");
    socket.write(Buffer.concat(Array.from({ length: 1500 }, (_, at) => varintFraming.frame(lengthDelimited(1, utf8(`line-1/${at}`))))));
    await until("some are refused", async () => (await refused()) > before);
  });

  attack("commands without end to one device: as many are open as commandsPerDevice says, the rest is refused", async (target) => {
    const token = target.admin();
    const statuses = await Promise.all(Array.from({ length: 30 }, () => target.http({ path: "/api/devices/nobody-there/commands", token, body: { payload: 1, ttl: 2 } }).then(({ status }) => status)));
    assert.equal(statuses.filter((status) => status === 202).length, 20);
    assert.equal(statuses.filter((status) => status === 503).length, 10);
  });

  attack("a subscriber that never reads what it asked for, while 40 MB are said at qos 0: it is ended, others hear everything", async (target) => {
    const before = sumOf(await target.metrics(), "busbar_dropped_total", 'reason="slow-consumer"');
    const slow = await openSlowReader(target);
    const spy = await Spy.open(target, "blob/#");
    const source = await openJsonClient(target, { token: target.token("source", { roles: ["admin"] }), deviceId: "source" });
    for (let at = 0; at < 80; at++) {
      source.send({ type: "blob", payload: "x".repeat(500_000) });
      await source.settled();
    }
    assert.equal((await spy.heard()).length, 80);
    assert.ok(sumOf(await target.metrics(), "busbar_dropped_total", 'reason="slow-consumer"') > before);
    slow.socket.resume();
    await slow.ended; // its close frame may have come too late to be sent
  });

  attack("the same at qos 1: what it does not read waits in the journal, not in memory, and comes when it reads again", async (target) => {
    const slow = await openSlowReader(target);
    const source = await openJsonClient(target, { token: target.token("source", { roles: ["admin"] }), deviceId: "source" });
    for (let at = 0; at < 40; at++) {
      source.send({ type: "blob", msgid: `blob-${at}`, qos: 1, payload: "x".repeat(500_000) });
      await source.next("ack");
    }
    slow.socket.resume();
    for (let at = 0; at < 40; at++) assert.equal((await slow.json("blob"))["msgid"], `blob-${at}`);
  });

  attack("requests over HTTP packed with gzip: 415, unpacked by nobody", async (target) => {
    const packed = gzipSync(Buffer.alloc(64 * megabyte)).toString("latin1");
    const socket = await target.raw("http");
    socket.write(`POST /api/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${target.token(id)}\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\nconnection: close\r\n\r\n${packed}`);
    await socket.says(/^HTTP\/1\.1 415 /);
  });
}, { gateway: { commandsPerDevice: 20 } });
