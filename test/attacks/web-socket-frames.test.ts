import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { rawFrame } from "../../plugins/websocket/testing/raw-client.ts";
import { attackSuite } from "./target/attack-suite.ts";
import { openJsonClient } from "./target/json-client.ts";
import { openRawWebSocket } from "./target/raw-web-socket.ts";
import { Spy } from "./target/spy.ts";

const id = "device-1";
const megabyte = 1024 * 1024;

attackSuite("WebSocket frames", (attack) => {
  attack("a message of 2 MiB over WebSocket, whole and in fragments: closed with 1009", async (target) => {
    const token = target.token(id);
    const whole = await openRawWebSocket(target, { token });
    whole.write(rawFrame(1, new Uint8Array(0), { length: 2 * megabyte }));
    assert.equal(await whole.closeCode(), 1009);
    const parts = await openRawWebSocket(target, { token });
    parts.write(rawFrame(1, "x".repeat(megabyte / 2), { fin: false }), ...Array.from({ length: 4 }, () => rawFrame(0, "x".repeat(megabyte / 2), { fin: false })));
    assert.equal(await parts.closeCode(), 1009);
    const absurd = await openRawWebSocket(target, { token });
    absurd.write(Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    assert.equal(await absurd.closeCode(), 1009);
  });

  attack("a message in a million fragments of one byte, or of none, before any login: the number of fragments is limited", async (target) => {
    for (const [fragment, many] of [["x", 200_000], ["", 200_000]] as const) {
      const client = await openRawWebSocket(target);
      const first = rawFrame(1, fragment, { fin: false });
      const next = Buffer.concat(Array.from({ length: 1000 }, () => rawFrame(0, fragment, { fin: false })));
      client.write(first, ...Array.from({ length: many / 1000 }, () => next));
      assert.ok([1008, 1009].includes(await client.closeCode()));
    }
  });

  attack("WebSocket frames that are none: unmasked, reserved bits and opcodes, long or fragmented control frames, a continuation of nothing", async (target) => {
    const bad: readonly (readonly [string, Buffer])[] = [
      ["unmasked", rawFrame(1, "{}", { masked: false })],
      ["rsv1", rawFrame(1, "{}", { rsv: 4 })],
      ["rsv3", rawFrame(1, "{}", { rsv: 1 })],
      ...[3, 7, 11, 15].map((opcode) => [`opcode ${opcode}`, rawFrame(opcode, "{}")] as const),
      ["a ping of 126 bytes", rawFrame(9, "x".repeat(126))],
      ["a fragmented ping", rawFrame(9, "x", { fin: false })],
      ["a continuation of nothing", rawFrame(0, "x")],
      ["a close frame of one byte", rawFrame(8, "x")],
      ["a close code that is none", rawFrame(8, Buffer.from([0x03, 0xed]))],
    ];
    for (const [what, bytes] of bad) {
      const client = await openRawWebSocket(target, { token: target.token(id) });
      client.write(bytes);
      assert.equal(await client.closeCode(), 1002, what);
    }
  });

  attack("text over WebSocket that is not UTF-8: closed before anybody reads it", async (target) => {
    for (const bytes of [[0xff, 0xfe], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
      const client = await openRawWebSocket(target, { token: target.token(id) });
      client.write(rawFrame(1, Buffer.concat([Buffer.from('{"type":"status","payload":"'), Buffer.from(bytes), Buffer.from('"}')])));
      assert.ok([1007, 4400].includes(await client.closeCode()));
    }
  });

  attack("pings without end from a client that reads nothing: more than 60 unanswered ones end it", async (target) => {
    const client = await openRawWebSocket(target, { token: target.token(id) });
    client.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 500 }, () => rawFrame(9, new Uint8Array(125))));
    const flooded = client.flood(pings);
    await flooded;
    client.socket.resume();
    await client.ended;
  });

  attack("frames by the thousand before the login: bounded, and never heard", async (target) => {
    const spy = await Spy.open(target);
    const client = await openJsonClient(target);
    for (let at = 0; at < 5000 && client.ws.readyState === 1; at++) client.send({ type: "status", from: id, payload: "x".repeat(500) });
    assert.equal((await client.closed).code, 4401);
    assert.deepEqual(await spy.heard(), []);
  });
});

attackSuite("compressed bombs", (attack) => {
  const bomb = deflateRawSync(Buffer.alloc(64 * megabyte, 0x20));
  const offer = ["Sec-WebSocket-Extensions: permessage-deflate"];

  attack("a frame of 64 KB that unpacks to 64 MiB, before and after the login, ten times at once: closed with 1009 as soon as it is over the limit", async (target) => {
    const clients = await Promise.all(Array.from({ length: 10 }, (_, at) => openRawWebSocket(target, { headers: offer, ...(at % 2 ? { token: target.token(id) } : {}) })));
    for (const client of clients) client.write(rawFrame(1, bomb, { rsv: 4 }));
    for (const client of clients) assert.ok([1009, 4009].includes(await client.closeCode()));
  });

  attack("compressed bytes that are none: closed, and nobody else notices", async (target) => {
    const client = await openRawWebSocket(target, { headers: offer, token: target.token(id) });
    client.write(rawFrame(1, Buffer.from("this is no deflate stream"), { rsv: 4 }));
    assert.ok([1002, 1007].includes(await client.closeCode()));
  });

  attack("offers of compression that are none, with windows that are none: the handshake is refused, or goes without", async (target) => {
    for (const extension of ["permessage-deflate; server_max_window_bits=99", "permessage-deflate; client_max_window_bits=0", "permessage-deflate;".repeat(300), "x".repeat(4000), "permessage-deflate; x=\"\\\"", ",,,,", "permessage-deflate; server_no_context_takeover=1"]) {
      const socket = await target.raw("http");
      socket.write(`GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: ${extension}\r\n\r\n`);
      await socket.says(/^HTTP\/1\.1 (?:101|400) /);
    }
  });
}, { plugins: { websocket: { compression: { enabled: true } } } });
