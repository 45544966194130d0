import assert from "node:assert/strict";
import { until } from "@busbar/core/testkit";
import { WebSocket } from "ws";
import { forgeToken, hmac } from "../../plugins/auth-jwt/forged-token.ts";
import { sumOf } from "./target/assert-unharmed.ts";
import { attackSuite, longForm } from "./target/attack-suite.ts";
import type { AttackTarget } from "./target/attack-target.ts";
import { RawSocket } from "./target/raw-socket.ts";
import { Spy } from "./target/spy.ts";

/** Connections of a storm, and how many are under way at once. */
const connections = longForm ? 5000 : 500;
const atOnce = 100;
/** Messages a second of whoever must not notice. */
const pace = 50;

let runs = 0;

/** Runs `connect` as often and as fast as can be. */
async function storm(connect: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < connections) await connect(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** Runs a storm while a well-behaved device sends 50 messages a second: all of them are acknowledged and heard, in order, over one connection. */
async function assertUnnoticed(target: AttackTarget, connect: (at: number) => Promise<void>): Promise<void> {
  const spy = await Spy.open(target, "event/steady");
  const steady = await target.login("tcp", target.token("steady"), "steady");
  const run = ++runs; // msgids that are known already would go nowhere
  let sent = 0;
  const timer = setInterval(() => steady.publish({ type: "event", from: "steady", msgid: `steady-${run}-${++sent}`, qos: 1, payload: sent }), 1000 / pace);
  try {
    await storm(connect);
  } finally {
    clearInterval(timer);
  }
  for (let at = 1; at <= sent; at++) assert.deepEqual(await steady.next("ack").then(({ msgid, status }) => [msgid, status]), [`steady-${run}-${at}`, "ok"]);
  assert.deepEqual((await spy.heard()).map(({ payload }) => payload), Array.from({ length: sent }, (_, at) => at + 1));
  assert.equal(steady.closed, undefined);
  assert.ok(sent > 0);
}

/** Connects over WebSocket, logs in, and leaves without a word. Gives the close code where it was not let in. */
function connectWebSocket(target: AttackTarget, { deviceId, token }: { readonly deviceId: string; readonly token: string }): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${target.port("http")}/ws`, ["busbar.v1.json"], { perMessageDeflate: false });
    socket.on("open", () => socket.send(JSON.stringify({ type: "auth", deviceId, token })));
    socket.on("message", () => {
      socket.terminate();
      resolve(undefined);
    });
    socket.on("close", (code) => resolve(code));
    socket.on("error", reject);
  });
}

/** Connects over WebSocket and logs in. */
function openSession(target: AttackTarget, { deviceId, token }: { readonly deviceId: string; readonly token: string }): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${target.port("http")}/ws`, ["busbar.v1.json"], { perMessageDeflate: false });
    target.own(() => socket.terminate());
    socket.on("open", () => socket.send(JSON.stringify({ type: "auth", deviceId, token })));
    socket.once("message", () => resolve(socket));
    socket.on("error", reject);
  });
}

attackSuite("storms", (attack) => {
  attack(`a reconnect storm of ${connections} connections with tokens: a device that sends 50 messages a second loses none and stays connected`, async (target) => {
    const tokens = Array.from({ length: 50 }, (_, at) => target.token(`storm-${at}`));
    await assertUnnoticed(target, async (at) => {
      const who = at % tokens.length;
      const code = await connectWebSocket(target, { deviceId: `storm-${who}`, token: tokens[who]! });
      assert.ok(code === undefined || code === 4009, `${code}`); // another one of the same device came in between
    });
  });

  attack(`a reconnect storm of ${connections} connections, half of them with wrong tokens: these are refused, and nobody else notices`, async (target) => {
    const token = target.token("storm-1");
    const [head, , signature] = token.split(".");
    await assertUnnoticed(target, async (at) => {
      const wrong = `${head}.${Buffer.from(JSON.stringify(target.claims(`storm-${at}`))).toString("base64url")}.${signature}`;
      const code = await connectWebSocket(target, at % 2 ? { deviceId: "storm-1", token } : { deviceId: `storm-${at}`, token: wrong });
      if (at % 2 === 0) assert.equal(code, 4403);
    });
  });

  attack(`${connections} devices that are connected, all leave in the same moment, and all come back at once: each is let in again, and nobody else notices`, async (target) => {
    const tokens = Array.from({ length: connections }, (_, at) => forgeToken({ alg: "HS256", kid: "shared" }, target.claims(`fleet/${at}`), hmac(target.hs256)));
    let connected: WebSocket[] = [];
    const online = async (): Promise<number> => sumOf(await target.metrics(), "busbar_devices_online");
    const connectAll = (): Promise<void> => storm(async (at) => void connected.push(await openSession(target, { deviceId: `fleet/${at}`, token: tokens[at]! })));
    await assertUnnoticed(target, async (at) => {
      if (at > 0) return; // the storm is of our own making
      for (let times = 0; times < 2; times++) {
        await connectAll();
        await until("all are online", async () => (await online()) >= connections);
        for (const socket of connected) socket.terminate();
        connected = []; // the second time they come while the first ones are still being let go
      }
    });
  });

  attack(`${connections} TCP connections that say nothing, or rubbish, and leave: nobody else notices`, async (target) => {
    await assertUnnoticed(target, async (at) => {
      const socket = await new RawSocket(target.port(["tcp", "iot", "users", "line"][at % 4]!)).opened();
      if (at % 2) socket.write(`GET / HTTP/1.1\r\n\r\n${"\xff".repeat(100)}`);
      socket.destroy();
    });
  });

  attack(`${connections} HTTP requests without a token, or with a wrong one: 401 each, and nobody else notices`, async (target) => {
    await assertUnnoticed(target, async (at) => {
      const { status } = await target.http({ path: "/api/messages", ...(at % 2 ? { token: `wrong.token.${at}` } : {}) });
      assert.equal(status, 401);
    });
  });

  attack("one device taking its own place over and over, on all transports: one session is left, and its presence is right", async (target) => {
    const token = target.token("flapping");
    for (let at = 0; at < 30; at++) await target.login((["ws", "ws-proto", "tcp"] as const)[at % 3]!, token, "flapping");
    const { online } = (await target.http({ path: "/api/devices/flapping", token: target.admin() })).json<{ readonly online: boolean }>();
    assert.equal(online, true);
  });
});
