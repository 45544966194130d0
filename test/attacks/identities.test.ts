import assert from "node:assert/strict";
import { createMessage, varintFraming } from "@busbar/core";
import type { PeerDriver } from "@busbar/core/testkit";
import { attackSuite } from "./target/attack-suite.ts";
import { sumOf } from "./target/assert-unharmed.ts";
import { sessionTransports, type AttackTarget, type SessionTransport } from "./target/attack-target.ts";
import { openJsonClient } from "./target/json-client.ts";
import { envelopeFrame, iotData, userInform } from "./target/device-frames.ts";
import { Spy } from "./target/spy.ts";

const attacker = "device-1";
const victim = "device-9";

const login = (target: AttackTarget, transport: SessionTransport = "ws"): Promise<PeerDriver> => target.login(transport, target.token(attacker), attacker);

/** Sends JSON as it stands, whatever it says. */
const sendText = (peer: PeerDriver, frame: unknown): void => peer.sendBytes(new TextEncoder().encode(typeof frame === "string" ? frame : JSON.stringify(frame)));

/** Sends an envelope as it stands, however impossible. */
function say(peer: PeerDriver, transport: SessionTransport, fields: { readonly type: string; readonly from: string; readonly to?: string; readonly qos?: number }): void {
  if (transport === "ws") sendText(peer, { msgid: "impossible", payload: 1, ...fields });
  else peer.sendBytes(envelopeFrame({ msgid: "impossible", json: "1", ...fields }));
}

/** Runs an attack and checks that nothing of it was heard by anybody. */
async function assertUnheard(target: AttackTarget, attack: () => Promise<void>): Promise<void> {
  const spy = await Spy.open(target);
  try {
    await attack();
    assert.deepEqual(await spy.heard(), []);
  } finally {
  }
}

/** Ids that are not what they look like, or would mean something else in a path, a query or a log. */
const impossibleIds: Readonly<Record<string, readonly string[]>> = {
  "with levels called .. or .": ["..", "../device-9", "device-1/../device-9", "device-1/./x", "device-1/.."],
  "with empty levels": ["device-1//x", "/device-1", "device-1/", "//", "/"],
  "with NUL and other control characters": ["device-1\0", "\0", "device-1\0/device-9", "device-1\n", "device-1\r\nx", "device-1\u001b[2J", "device-1\u007f"],
  "that are too long": ["x".repeat(257), `${"x/".repeat(128)}x`, "x".repeat(100_000)],
  "that look like another's": ["device-\u0669", "d\u0435vice-9", "\uff44evice-9", "device-9\u200b", "\u2060device-9", "devic\u0065\u0301-9", "device\u20119", "device-9 ", "\u202e9-ecived"],
  "with wildcards, quotes, or an escape": ["+", "#", "device-1/+", "device-1/#", "$SYS/x", "device%2d9", "device-9'--", 'device-9"', "device-9;", "{id}", "{group}", "device\\9", "<b>"],
};

attackSuite("identities", (attack) => {
  for (const transport of sessionTransports) {
    attack(`from forged over ${transport}: it is checked against who has logged in`, async (target) => {
      await assertUnheard(target, async () => {
        const peer = await login(target, transport);
        for (const [at, from] of [victim, "device", "device-10", "device-1x", "spy", "bystander/device"].entries()) {
          peer.publish({ type: "status", from, msgid: `f-${at}`, qos: (at % 3) as 0 | 1 | 2, payload: { temperature: 1000 } });
          assert.equal((await peer.next("error"))["code"], "FORBIDDEN", from);
        }
      });
    });

    attack(`from a reserved id, server, all, group or gateway, over ${transport}: they are nobody's`, async (target) => {
      await assertUnheard(target, async () => {
        const peer = await target.login(transport, target.admin("operator"), "operator");
        for (const from of ["server", "all", "group/kitchen", "gateway", "gateway/x"]) {
          say(peer, transport, { type: "status", from });
          assert.match(String((await peer.next("error"))["code"]), /^(?:FORBIDDEN|BAD_FRAME)$/, from);
        }
      });
    });

    attack(`a last will in another's name over ${transport}: it is checked at login`, async (target) => {
      await assertUnheard(target, async () => {
        const peer = await target.session(transport);
        peer.send({ kind: "auth", deviceId: attacker, token: target.token(attacker), will: createMessage({ type: "event", from: victim, msgid: "will", qos: 1, payload: "gone" }) });
        await peer.end();
      });
    });

    attack(`messages before the login over ${transport}: nobody is not heard`, async (target) => {
      await assertUnheard(target, async () => {
        const peer = await target.session(transport);
        peer.publish({ type: "status", from: victim, payload: 1 });
        const { code } = await peer.end();
        assert.equal(code, transport === "tcp" ? undefined : 4401);
      });
    });
  }

  attack("from forged by the shorthand deviceId, or by both with different names: either is checked", async (target) => {
    await assertUnheard(target, async () => {
      const peer = await login(target);
      for (const frame of [{ deviceId: victim, values: [{ tag: "t", value: 1 }] }, { type: "status", deviceId: victim, data: 1 }, { type: "status", from: victim, deviceId: attacker, payload: 1 }]) {
        sendText(peer, frame);
        assert.equal((await peer.next("error"))["code"], "FORBIDDEN");
      }
      sendText(peer, `{"type":"status","from":"${attacker}","from":"${victim}","payload":1}`);
      assert.equal((await peer.next("error"))["code"], "FORBIDDEN");
    });
  });

  attack("from forged in the middle of a batch: each message is checked for itself", async (target) => {
    const spy = await Spy.open(target, "status/#");
    const peer = await login(target);
    const data = Array.from({ length: 100 }, (_, at) => ({ type: "status", from: at % 10 === 5 ? victim : attacker, msgid: `b-${at}`, payload: at }));
    sendText(peer, { type: "batch", data });
    for (let at = 5; at < 100; at += 10) assert.deepEqual(await peer.next("error").then(({ code, msgid }) => [code, msgid]), ["FORBIDDEN", `b-${at}`]);
    const heard = await spy.heard();
    assert.equal(heard.length, 90);
    assert.ok(heard.every(({ from }) => from === attacker));
  });

  attack("from forged by a binary iot-data frame on a JSON session: its device_id is checked, too", async (target) => {
    await assertUnheard(target, async () => {
      const client = await openJsonClient(target, { token: target.token(attacker), deviceId: attacker });
      for (const id of [victim, "device-10"]) {
        client.sendRaw(iotData(id));
        assert.equal((await client.next("error"))["code"], "FORBIDDEN");
      }
    });
  });

  attack("from forged over HTTP, alone and within an array: 403, and the rest of the array says so", async (target) => {
    const token = target.token(attacker);
    await assertUnheard(target, async () => {
      for (const from of [victim, "device-10", "operator"]) assert.equal((await target.http({ path: "/api/messages", token, body: { type: "status", from, payload: 1 } })).status, 403, from);
      const { status, body } = await target.http({ path: "/api/messages", token, body: [{ type: "status", from: victim, payload: 1 }, { type: "status", from: victim, payload: 2, qos: 1, msgid: "h-2" }] });
      assert.equal(status, 403, body);
    });
  });

  attack("device_id outside of what the network may say, over iot-data: refused, and the third in a row ends the connection", async (target) => {
    await assertUnheard(target, async () => {
      const refused = async (): Promise<number> => sumOf(await target.metrics(), "busbar_refused_total", 'reason="FORBIDDEN"');
      const before = await refused();
      const socket = await target.raw("line");
      for (const id of [victim, "line-10", "line"]) socket.write(varintFraming.frame(iotData(id)));
      await socket.ended();
      assert.ok((await refused()) - before >= 3);
    });
  });

  attack("iot-data and user-inform without the listener token, with a wrong one, with a longer one: the first frame must be it", async (target) => {
    await assertUnheard(target, async () => {
      for (const [listener, frame] of [["iot", iotData(victim)], ["users", userInform(9)]] as const) {
        for (const token of [undefined, "wrong-token-wrong-token", `${target.listenerToken} `, `${target.listenerToken}\0`, target.listenerToken.slice(0, -1), target.listenerToken.toUpperCase(), ""]) {
          const socket = await target.raw(listener);
          if (token !== undefined) socket.write(varintFraming.frame(new TextEncoder().encode(token)));
          socket.write(varintFraming.frame(frame));
          await socket.ended();
        }
      }
    });
  });

  attack("a reserved or impossible device_id over iot-data with the right listener token: no device may be called so", async (target) => {
    await assertUnheard(target, async () => {
      for (const id of ["server", "all", "group/kitchen", "gateway", ...Object.values(impossibleIds).flat()]) {
        const socket = await target.raw("iot");
        socket.write(varintFraming.frame(new TextEncoder().encode(target.listenerToken)));
        for (let times = 0; times < 3; times++) socket.write(varintFraming.frame(iotData(id)));
        await socket.ended();
      }
    });
  });

  for (const [which, ids] of Object.entries(impossibleIds)) {
    attack(`ids ${which}, as from and to, over WebSocket and TCP: only [A-Za-z0-9._:@-] in levels is an id`, async (target) => {
      await assertUnheard(target, async () => {
        await Promise.all(sessionTransports.map(async (transport) => {
          for (const id of ids) {
            const peer = await target.login(transport, target.admin("operator"), "operator");
            say(peer, transport, { type: "status", from: id });
            assert.match(String((await peer.next("error"))["code"]), /^(?:BAD_FRAME|FORBIDDEN)$/, JSON.stringify(id));
            say(peer, transport, { type: "command", from: "operator", to: id, qos: 1 });
            assert.match(String((await peer.next("error"))["code"]), /^(?:BAD_FRAME|FORBIDDEN)$/, JSON.stringify(id));
          }
        }));
      });
    });

    attack(`ids ${which}, in the body, the path and the query of the API: 400, 404 or 422, never somebody else's data`, async (target) => {
      const token = target.admin("operator");
      await assertUnheard(target, async () => {
        for (const id of ids) {
          for (const body of [{ type: "status", from: id, payload: 1 }, { type: "command", to: id, payload: 1 }]) {
            const { status } = await target.http({ path: "/api/messages", token, body });
            assert.ok([403, 422].includes(status), `${status} for ${JSON.stringify(id.slice(0, 40))} in the body`);
          }
          const coded = encodeURIComponent(id);
          if (coded.length > 8000) continue; // no header may be as long
          for (const path of [`/api/devices/${coded}`, `/api/series?device=${coded}&tag=t`, `/api/devices?cursor=${coded}`]) {
            const { status } = await target.http({ path, token });
            assert.ok([400, 404].includes(status), `${status} for ${path.slice(0, 80)}`);
          }
          const { status } = await target.http({ path: `/api/devices/${coded}/commands`, token, body: { payload: 1 } });
          assert.ok([400, 404].includes(status), `${status} for a command to ${JSON.stringify(id.slice(0, 40))}`);
        }
      });
    });
  }

  attack("logging in as somebody else in the middle of a session: another identity ends it", async (target) => {
    const peer = await login(target);
    peer.auth(target.token(victim), victim);
    assert.equal((await peer.end()).code, 4403);
  });

  attack("pushing a device off by logging in as it with a wrong token: only a right one replaces", async (target) => {
    const honest = await target.login("tcp", target.token(victim), victim);
    for (let times = 0; times < 5; times++) {
      const peer = await target.session("ws");
      peer.auth(target.token(attacker), victim);
      assert.equal((await peer.end()).code, 4403);
    }
    honest.publish({ type: "status", from: victim, msgid: `still-${Date.now()}`, qos: 1, payload: 1 });
    assert.equal((await honest.next("ack"))["status"], "ok");
  });

  attack("saying what only the gateway says, audit, command-sent, dead-letter and will, with every right: these types are its own", async (target) => {
    const token = target.admin("operator");
    await assertUnheard(target, async () => {
      for (const transport of sessionTransports) {
        for (const type of ["audit", "command-sent", "dead-letter", "will"]) {
          const peer = await target.login(transport, token, "operator");
          say(peer, transport, { type, from: "operator", qos: 1 });
          assert.match(String((await peer.next("error"))["code"]), /^(?:FORBIDDEN|BAD_FRAME)$/, type);
        }
      }
      for (const type of ["audit", "command-sent", "dead-letter", "will"]) assert.ok([403, 422].includes((await target.http({ path: "/api/messages", token, body: { type, payload: 1 } })).status), type);
    });
  });

  attack("answering a command that was given to another device: only its own device answers it", async (target) => {
    const token = target.admin("operator");
    const { msgid } = (await target.http({ path: `/api/devices/${victim}/commands`, token, body: { payload: { open: true } } })).json<{ readonly msgid: string }>();
    for (const transport of sessionTransports) {
      const peer = await login(target, transport);
      peer.send({ kind: "ack", msgid, status: "ok", payload: "done" });
      peer.publish({ type: "status", from: attacker, msgid: `answered-${transport}`, qos: 1, payload: 1 });
      await peer.next("ack");
    }
    const forged = { type: "ack", to: "operator", payload: { msgid, status: "ok", result: "done" }, qos: 1, msgid: "forged-answer" };
    await target.http({ path: "/api/messages", token: target.token(attacker), body: forged });
    const state = (await target.http({ path: `/api/commands/${msgid}`, token })).json()["state"];
    assert.equal(state, "queued");
    const honest = await target.login("ws", target.token(victim), victim);
    assert.equal((await honest.next("command"))["msgid"], msgid);
    honest.send({ kind: "ack", msgid, status: "ok" });
    honest.publish({ type: "status", from: victim, msgid: "after", qos: 1, payload: 1 });
    await honest.next("ack");
    assert.equal((await target.http({ path: `/api/commands/${msgid}`, token })).json()["state"], "done");
  });

  attack("asking for a command that is none of one's business by its msgid: it is not found", async (target) => {
    const { msgid } = (await target.http({ path: `/api/devices/${victim}/commands`, token: target.admin("operator"), body: { payload: "open the vault", ttl: 1 } })).json<{ readonly msgid: string }>();
    const { status, body } = await target.http({ path: `/api/commands/${msgid}`, token: target.token(attacker) });
    assert.equal(status, 404);
    assert.ok(!body.includes("vault"));
  });

  attack("taking a victim's msgid beforehand, so that its message counts as known: msgids are each sender's own", async (target) => {
    const peer = await login(target);
    const honest = await target.login("tcp", target.token(victim), victim);
    const spy = await Spy.open(target, `event/${victim}`);
    peer.publish({ type: "event", from: attacker, msgid: "next-1", qos: 1, payload: "first" });
    await peer.next("ack");
    honest.publish({ type: "event", from: victim, msgid: "next-1", qos: 1, payload: "second" });
    await honest.next("ack");
    assert.deepEqual((await spy.heard()).map(({ payload }) => payload), ["second"]);
  });

  attack("claiming to be this machine by X-Forwarded-For, Forwarded or Host: they take rights away, never give them", async (target) => {
    for (const headers of [{ "x-forwarded-for": "127.0.0.1" }, { forwarded: "for=127.0.0.1" }, { host: "192.0.2.1" }]) assert.equal((await target.http({ path: "/metrics", headers })).status, 401, JSON.stringify(headers));
    for (const host of ["gateway.attacker.example", "127.0.0.1.attacker.example", "localhost.attacker.example", "0.0.0.0.attacker.example"]) assert.equal((await target.http({ path: "/metrics", headers: { host } })).status, 421, host);
  });

  attack("an envelope frame within an envelope frame, and an auth frame within a batch: frames do not nest", async (target) => {
    await assertUnheard(target, async () => {
      const peer = await login(target);
      sendText(peer, { type: "batch", data: [{ type: "auth", deviceId: victim, token: target.token(victim) }] });
      await peer.next("error");
      sendText(peer, { type: "batch", data: [{ type: "batch", data: [{ type: "status", from: victim, payload: 1 }] }] });
      await peer.next("error");
    });
  });
});
