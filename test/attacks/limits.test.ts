import assert from "node:assert/strict";
import process from "node:process";
import { until } from "@busbar/core/testkit";
import { sumOf } from "./target/assert-unharmed.ts";
import { attackSuite } from "./target/attack-suite.ts";
import type { AttackTarget } from "./target/attack-target.ts";
import { RawSocket } from "./target/raw-socket.ts";

const refusals = async (target: AttackTarget, reason: string): Promise<number> => sumOf(await target.metrics(), "busbar_refused_total", `reason="${reason}"`);
const text = (frame: object): Uint8Array => new TextEncoder().encode(JSON.stringify(frame));
const subscribe = (topic: string, ref: string) => ({ kind: "subscribe", topic, qos: 0, since: undefined, ref, binary: false }) as const;
const handshake = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n";

/** Connections that stay, and how many of them the gateway has ended. */
async function flood(target: AttackTarget, id: string, count: number): Promise<{ ended(): number }> {
  const sockets = Array.from({ length: count }, () => new RawSocket(target.port(id)));
  for (const socket of sockets) target.own(() => socket.destroy());
  await Promise.all(sockets.map((socket) => socket.opened()));
  return { ended: () => sockets.filter(({ closed }) => closed).length };
}

attackSuite("limits of one address and one session", (attack) => {
  attack("1,001 connections from one address to a TCP listener: those over perAddress are closed and counted", async (target) => {
    const before = await refusals(target, "too many from one address");
    const { ended } = await flood(target, "line", 1001);
    await until("the one too many is closed", () => ended() === 1, { show: ended });
    assert.equal(await refusals(target, "too many from one address") - before, 1);
  });

  attack("more WebSockets from one address than it may have: closed with 1013", async (target) => {
    const sockets = await Promise.all(Array.from({ length: 25 }, async () => (await target.raw("http")).write(handshake)));
    await until("those beyond perAddress are told so", () => sockets.filter(({ received }) => received.includes("\x03\xf5")).length === 6); // 1013, in a close frame; a bystander is the 20th
    assert.equal(sumOf(await target.metrics(), "busbar_websocket_full_total", 'reason="address"'), 6);
  });

  attack("many tiny frames: more messages a second than `rate` end the session with 4029", async (target) => {
    const peer = await target.login("ws", target.token("device-1"), "device-1");
    const ping = text({ type: "ping" });
    for (let at = 0; at < 10_000; at++) peer.sendBytes(ping);
    assert.equal((await peer.end()).code, 4029);
    assert.ok((await refusals(target, "rate limit")) >= 1);
  });

  attack("few huge frames: more bytes a second than `byteRate` are read more slowly, and others are served meanwhile", async (target) => {
    const [hog, other] = [await target.login("ws", target.token("device-1"), "device-1"), await target.login("ws", target.token("device-2"), "device-2")];
    const before = await refusals(target, "byte rate");
    const fill = "x".repeat(900_000);
    for (let at = 0; at < 8; at++) hog.publish({ type: "status", from: "device-1", msgid: `huge-${at}`, qos: 1, payload: { fill } });
    await until("it is slowed down", async () => (await refusals(target, "byte rate")) > before);
    other.publish({ type: "status", from: "device-2", msgid: "small", qos: 1, payload: 1 });
    assert.deepEqual((await other.next("ack"))["msgid"], "small");
    for (let at = 0; at < 8; at++) assert.equal((await hog.next("ack"))["msgid"], `huge-${at}`); // nothing is lost
  });

  for (const [what, topic] of [["a pattern of 33 levels", `status${"/+".repeat(32)}`], ["a pattern of 513 bytes", `status/${"x".repeat(506)}`], ["a pattern of 500,000 levels", "+/".repeat(499_999) + "#"]] as const) {
    attack(`${what}: BAD_FRAME`, async (target) => {
      const peer = await target.login("ws", target.admin("operator-1"), "operator-1");
      peer.send(subscribe(topic, "deep"));
      assert.equal((await peer.next())["code"], "BAD_FRAME");
    });
  }

  attack("subscriptions whose names take memory: a ref of a megabyte is refused", async (target) => {
    const peer = await target.login("ws", target.admin("operator-1"), "operator-1");
    peer.send(subscribe("status/plant/+", "r".repeat(1_000_000)));
    assert.equal((await peer.next())["code"], "BAD_FRAME");
  });

  attack("secrets guessed over WebSocket, TCP and HTTP in turn, each at another id: the address has to wait on all of them, and a right JWT does not", async (target) => {
    const before = sumOf(await target.metrics(), "busbar_auth_failures_total", 'reason="throttled"');
    for (let at = 0; at < 4; at++) {
      for (const transport of ["ws", "tcp"] as const) {
        const peer = await target.session(transport);
        peer.auth(`guess-${at}`, `sensor-${transport}-${at}`);
        const { code } = await peer.end();
        assert.ok(code === 4403 || code === undefined, `${transport} ${code}`);
      }
      const { status } = await target.http({ path: "/api/enrol", body: { token: `enrol-guess-${at}` } });
      assert.ok(status === 401 || status === 429, String(status));
    }
    const peer = await target.session("ws");
    peer.auth("guess", "sensor-999");
    assert.equal((await peer.end()).code, 4403);
    assert.ok(sumOf(await target.metrics(), "busbar_auth_failures_total", 'reason="throttled"') > before, "not even looked at");
    await target.login("ws", target.token("device-1"), "device-1");
    await until("the pause is over, and the right secret is taken", async () => {
      const right = await target.session("ws");
      right.auth(target.deviceSecret, "sensor-001");
      return await right.next("auth_response").then(({ status }) => status === "success", () => false);
    });
  });
}, {
  plugins: {
    line: { perAddress: 1000 },
    websocket: { perAddress: 20, rate: 500, byteRate: "2MiB" },
    "auth-jwt": { guessing: { addressFree: 5, longestPause: "2s", answerDelay: "1s" } },
  },
});

attackSuite("limits of all listeners together", (attack) => {
  attack("connections opened faster than one address may: closed before anything is read, and in again when the pace is kept", async (target) => {
    const before = await refusals(target, "too many a second from one address");
    const { ended } = await flood(target, "line", 400);
    await until("most are closed", () => ended() >= 150, { show: ended });
    await until("the next one is let in", async () => {
      const answer = await target.http({ path: "/healthz" }).catch(() => undefined);
      return answer?.status === 200 && (await refusals(target, "too many a second from one address").catch(() => before)) - before >= 150;
    });
    await new Promise((resolve) => setTimeout(resolve, 1500)); // pace is time: 75 connections for those who look whether it is unharmed
  });

  attack("a full listener: who waits is let in when a place is free, who finds the line full is closed", async (target) => {
    const full = await refusals(target, "full");
    const { ended } = await flood(target, "users", 8); // 3 have a place, 4 wait
    await until("one found the line full", () => ended() === 1, { show: ended });
    assert.equal(await refusals(target, "full") - full, 1);
    assert.equal(sumOf(await target.metrics(), "busbar_tcp_waiting", 'plugin="users"'), 4);
  });
}, {
  plugins: { users: { maxConnections: 3, waitingLine: { length: 4, time: "60s" }, authTimeout: "60s" } },
  gateway: { handshakes: { addressRate: 50, addressBurst: 200 } },
});

const deafOnDeno = process.versions["deno"] === undefined ? false : "Deno 2.9 never accepts again on a listener that ran out of file descriptors: gateway.maxConnections has to stay below their limit, see docs/limits.md";

attackSuite("file descriptors", (attack) => {
  attack("more connections than the process may have file descriptors: the gateway lives, and takes connections again when some are free", async (target) => {
    const { ended } = await flood(target, "line", 600);
    await until("the system has no more for it", () => ended() > 0, { show: ended });
    target.forgetClients("end");
    await until("it answers again", async () => (await target.http({ path: "/healthz" }).catch(() => undefined))?.status === 200);
  }, { skip: deafOnDeno });
}, { files: 300 });
