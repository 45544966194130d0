import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, describe, it } from "node:test";
import { until } from "@busbar/core/testkit";
import { edSigned, forgeToken } from "../plugins/auth-jwt/forged-token.ts";
import { startKeyServer } from "../plugins/auth-jwt/testing/key-server.ts";
import { AttackTarget, sessionTransports } from "./attacks/target/attack-target.ts";
import { within } from "./attacks/target/within.ts";

/* What becomes of live sessions when an identity ends, on every transport with a login: a gateway of its own process, real sockets. */

const closed = (transport: string): number | undefined => (transport === "tcp" ? undefined : 4403);

describe("identities of live sessions", () => {
  const idp = generateKeyPairSync("ed25519");
  const next = generateKeyPairSync("ed25519");
  const servers: { close(): Promise<void> }[] = [];
  let opening: Promise<{ readonly target: AttackTarget; readonly keys: Awaited<ReturnType<typeof startKeyServer>> }> | undefined;
  const open = () =>
    (opening ??= (async () => {
      const keys = await startKeyServer({ keys: [{ ...idp.publicKey.export({ format: "jwk" }), kid: "first" }] });
      servers.push(keys);
      return { keys, target: await AttackTarget.open({ plugins: { "auth-jwt": { jwks: [{ url: keys.url, refresh: "1s", within: "plant", roles: ["device"] }] } } }) };
    })());
  after(async () => {
    await (await opening?.catch(() => undefined))?.target.destroy();
    for (const server of servers) await server.close();
  });
  const revoke = async (target: AttackTarget, body: object): Promise<void> => {
    const { status, body: text } = await target.http({ path: "/api/revocations", method: "POST", token: target.admin(), headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    assert.equal(status, 200, text);
  };

  it("a revoked device is out at once, with what lies below it, and stays out", async (t) => {
    const { target } = await open();
    const token = target.token("home-1");
    const peers = await Promise.all(sessionTransports.map(async (transport) => [transport, await target.login(transport, token, `home-1/${transport}`)] as const));
    const began = performance.now();
    await revoke(target, { kind: "device", name: "home-1" });
    for (const [transport, peer] of peers) assert.deepEqual(await peer.end(), { code: closed(transport) }, transport);
    t.diagnostic(`three sessions ended ${Math.round(performance.now() - began)} ms after the request to revoke`);
    for (const transport of sessionTransports) {
      const peer = await target.session(transport);
      peer.auth(token, "home-1");
      assert.deepEqual(await peer.end(), { code: closed(transport) });
    }
    await revoke(target, { kind: "device", name: "home-1", undo: true });
    (await target.login("tcp", token, "home-1")).destroy();
  });

  it("a revoked token is out at once, another one of the same device stays", async () => {
    const { target } = await open();
    for (const transport of sessionTransports) {
      const stolen = await target.login(transport, target.token("home-2/a", { jti: `stolen-${transport}` }), "home-2/a");
      const good = await target.login(transport, target.token("home-2/b", { jti: `good-${transport}` }), "home-2/b");
      await revoke(target, { kind: "token", name: `stolen-${transport}` });
      assert.deepEqual(await stolen.end(), { code: closed(transport) });
      good.send({ kind: "ping" });
      await good.next("pong");
      good.destroy();
    }
  });

  it("a revoked role takes its rights from live sessions: subscriptions end, nothing is taken, and undoing gives them back", async () => {
    const { target } = await open();
    for (const transport of sessionTransports) {
      const panel = await target.login(transport, target.token("home-3/panel", { roles: ["reader", "device"] }), "home-3/panel");
      panel.send({ kind: "subscribe", topic: "status/plant/line", qos: 0, ref: "a" });
      await panel.next("subscribed");
      await revoke(target, { kind: "role", name: "reader" });
      const { code, ref } = await panel.next("error");
      assert.deepEqual([code, ref], ["FORBIDDEN", "a"], "the subscription has ended");
      panel.send({ kind: "subscribe", topic: "status/plant/line", qos: 0, ref: "b" });
      assert.equal((await panel.next("error"))["code"], "FORBIDDEN");
      panel.publish({ type: "status", from: "home-3/panel", payload: 1, qos: 1, msgid: `${transport}-1` });
      assert.equal((await panel.next("ack"))["msgid"], `${transport}-1`, "the other role still counts");
      await revoke(target, { kind: "role", name: "reader", undo: true });
      panel.send({ kind: "subscribe", topic: "status/plant/line", qos: 0, ref: "c" });
      await panel.next("subscribed");
      panel.destroy();
    }
  });

  it("an identity that expires is out within a second or so, however lively the session", async () => {
    const { target } = await open();
    await Promise.all(
      sessionTransports.map(async (transport) => {
        const exp = Math.floor(Date.now() / 1000) + 5;
        const peer = await target.login(transport, target.token(`home-4/${transport}`, { exp }), `home-4/${transport}`);
        await until(`${transport} is closed`, () => {
          if (peer.closed) return true;
          peer.send({ kind: "ping" });
          return false;
        });
        assert.equal(peer.closed?.code, closed(transport));
        assert.ok(Date.now() >= exp * 1000, "not before it expires");
      }),
    );
  });

  it("a token that is renewed within a session keeps it alive, and brings wider or narrower rights at once", async () => {
    const { target } = await open();
    await Promise.all(
      sessionTransports.map(async (transport) => {
        const id = `home-5/${transport}`;
        const exp = Math.floor(Date.now() / 1000) + 6;
        const peer = await target.login(transport, target.token(id, { exp }), id);
        peer.auth(target.token(id, { roles: ["device", "reader"] }), id);
        assert.equal((await peer.next("auth_response"))["status"], "success");
        peer.send({ kind: "subscribe", topic: "status/plant/line", qos: 0, ref: "a" });
        await peer.next("subscribed");
        await until("the first token has expired", () => Date.now() > exp * 1000 + 1500);
        peer.send({ kind: "ping" });
        await peer.next("pong");
        peer.auth(target.token(id, { roles: ["device"] }), id);
        await peer.next("auth_response");
        peer.send({ kind: "subscribe", topic: "event/plant/line", qos: 0, ref: "b" });
        assert.equal((await peer.next("error"))["code"], "FORBIDDEN", "the narrower token counts");
        peer.destroy();
      }),
    );
  });

  it("a renewal with an expired token, a forged one, or one for another id ends the session", async () => {
    const { target } = await open();
    for (const transport of sessionTransports) {
      for (const [name, token] of [
        ["expired", target.token("home-6", { exp: 1 })],
        ["forged", `${target.token("home-6").slice(0, -8)}AAAAAAAA`],
        ["another id", target.token("home-60")],
      ] as const) {
        const peer = await target.login(transport, target.token("home-6"), "home-6");
        peer.auth(token, name === "another id" ? "home-60" : "home-6");
        assert.deepEqual(await peer.end(), { code: closed(transport) }, `${transport}: ${name}`);
      }
    }
  });

  it("a key that vanishes from its set ends the sessions of its tokens; its successor is taken", async () => {
    const { target, keys } = await open();
    const token = (kid: string, { privateKey }: typeof idp) => target.secrets.keepToken(kid, forgeToken({ alg: "EdDSA", kid }, target.claims("plant/plc"), edSigned(privateKey)));
    const peers = await Promise.all(sessionTransports.map(async (transport) => [transport, await target.login(transport, token("first", idp), `plant/plc/${transport}`)] as const));
    keys.answer({ keys: [{ ...next.publicKey.export({ format: "jwk" }), kid: "second" }] });
    for (const [transport, peer] of peers) assert.deepEqual(await within(peer.end(), transport), { code: closed(transport) });
    (await target.login("tcp", token("second", next), "plant/plc")).destroy();
  });
});
