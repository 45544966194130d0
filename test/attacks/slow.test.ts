import assert from "node:assert/strict";
import { varintFraming } from "@busbar/core";
import { rawFrame } from "../../plugins/websocket/testing/raw-client.ts";
import { attackSuite, longForm } from "./target/attack-suite.ts";
import type { AttackTarget } from "./target/attack-target.ts";
import { formatRequest } from "./target/http-request.ts";
import type { RawSocket } from "./target/raw-socket.ts";
import { openRawWebSocket } from "./target/raw-web-socket.ts";

/** Connections that are slow at once, to each listener. */
const many = longForm ? 1000 : 50;
const id = "device-1";

/** Writes a piece every 200 ms until the gateway ends the connection. */
async function drip(socket: RawSocket, piece: () => string | Uint8Array): Promise<void> {
  const timer = setInterval(() => socket.write(piece()), 200);
  try {
    await socket.ended();
  } finally {
    clearInterval(timer);
  }
}

const open = (target: AttackTarget, id: string): Promise<RawSocket[]> => Promise.all(Array.from({ length: many }, () => target.raw(id)));

/** A request of an honest client gets its answer while others are slow. */
async function assertAnswers(target: AttackTarget): Promise<void> {
  assert.equal((await target.http({ path: "/api/devices", token: target.admin() })).status, 200);
}

const handshake = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";

attackSuite("slow clients", (attack) => {
  attack("request heads over HTTP that come letter by letter, by the hundred: the head has its time, and honest requests are answered meanwhile", async (target) => {
    const sockets = await open(target, "http");
    for (const socket of sockets) socket.write("GET /api/devices HTTP/1.1\r\nhost: localhost\r\n");
    await assertAnswers(target);
    await Promise.all(sockets.map((socket) => drip(socket, () => "x")));
  });

  attack("request bodies over HTTP that come byte by byte: the request has its time as a whole", async (target) => {
    const sockets = await open(target, "http");
    const token = target.token(id);
    for (const socket of sockets) socket.write(`POST /api/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{`);
    await assertAnswers(target);
    await Promise.all(sockets.map((socket) => drip(socket, () => " ")));
  });

  attack("connections to the HTTP port that never say anything: closed, and their places are free again", async (target) => {
    const sockets = await open(target, "http");
    await assertAnswers(target);
    await Promise.all(sockets.map((socket) => socket.ended()));
  });

  attack("requests without end over one connection, whose answers are never read: answered in turn, and cut off", async (target) => {
    const socket = await target.raw("http");
    socket.socket.pause();
    const requests = formatRequest(target.port("http"), { path: "/openapi.json", headers: { connection: "keep-alive" } }).repeat(300);
    socket.write(requests);
    await assertAnswers(target);
  });

  attack("WebSocket handshakes that never end: the head has its time", async (target) => {
    const sockets = await open(target, "http");
    for (const socket of sockets) socket.write(handshake);
    await assertAnswers(target);
    await Promise.all(sockets.map((socket) => drip(socket, () => "x-a: b\r\n")));
  });

  attack("WebSocket connections that never log in: closed with 4401", async (target) => {
    const clients = await Promise.all(Array.from({ length: many }, () => openRawWebSocket(target)));
    await assertAnswers(target);
    for (const client of clients) assert.equal((await client.frames.next(({ opcode }) => opcode === 8)).payload.readUInt16BE(0), 4401);
  });

  attack("pings instead of a login, to keep a WebSocket connection: the time for the login goes on", async (target) => {
    const client = await openRawWebSocket(target);
    const timer = setInterval(() => client.socket.writable && client.write(rawFrame(9, "x")), 100);
    try {
      assert.equal(await client.closeCode(), 4401);
    } finally {
      clearInterval(timer);
    }
  });

  attack("a WebSocket message that comes byte by byte, after the login: no sign of life until it is whole, 4001", async (target) => {
    const client = await openRawWebSocket(target, { token: target.token(id) });
    client.write(rawFrame(1, "{", { length: 100_000 }));
    const timer = setInterval(() => client.socket.writable && client.write(Buffer.from("x")), 100);
    try {
      assert.equal(await client.closeCode(), 4001);
    } finally {
      clearInterval(timer);
    }
  });

  attack("protobuf frames that come byte by byte, on every TCP listener: a frame that has begun has its time", async (target) => {
    const sockets = (await Promise.all((["tcp", "iot", "users", "line"] as const).map((listener) => open(target, listener)))).flat();
    for (const socket of sockets) socket.write(Uint8Array.of(0xff, 0x7f));
    await assertAnswers(target);
    await Promise.all(sockets.map((socket) => drip(socket, () => Uint8Array.of(0x0a))));
  });

  attack("connections that never show who they are, on every TCP listener that asks: closed in time", async (target) => {
    const sockets = (await Promise.all((["tcp", "iot", "users"] as const).map((listener) => open(target, listener)))).flat();
    await assertAnswers(target);
    await Promise.all(sockets.map((socket) => socket.ended()));
  });

  attack("a frame that begins after the login and never ends, over TCP: a frame that has begun has its time", async (target) => {
    const peer = await target.login("tcp", target.token(id), id);
    const socket = await target.raw("iot");
    socket.write(varintFraming.frame(new TextEncoder().encode(target.listenerToken))).write(Uint8Array.of(100, 1, 2, 3));
    await drip(socket, () => Uint8Array.of(0));
    peer.publish({ type: "status", from: id, msgid: `after-${Date.now()}`, qos: 1, payload: 1 });
    assert.equal((await peer.next("ack"))["status"], "ok");
  });

  attack("half-closed connections: whoever ends its side is let go", async (target) => {
    for (const listener of ["tcp", "iot", "users", "line", "http"] as const) {
      const sockets = await open(target, listener);
      for (const socket of sockets) socket.socket.end();
      await Promise.all(sockets.map((socket) => socket.ended()));
    }
  });
}, {
  plugins: {
    http: { timeouts: { headers: "2s", request: "3s" } },
    websocket: { authTimeout: "2s", ping: "2s", idleTimeout: "12s" }, // bystanders on a busy machine have to answer in time
    tcp: { frameTimeout: "2s", authTimeout: "2s" },
    iot: { frameTimeout: "2s", authTimeout: "2s" },
    users: { frameTimeout: "2s", authTimeout: "2s" },
    line: { frameTimeout: "2s" },
  },
});
