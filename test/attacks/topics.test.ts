import assert from "node:assert/strict";
import type { PeerDriver } from "@busbar/core/testkit";
import { attackSuite } from "./target/attack-suite.ts";
import { sessionTransports, type AttackTarget, type SessionTransport } from "./target/attack-target.ts";
import { Spy } from "./target/spy.ts";

const attacker = "device-1";
const victim = "device-9";

/** A session of one who may hear `status/plant/<one level>` but for the vault, and `event/plant/#`. */
const reader = (target: AttackTarget, transport: SessionTransport = "ws"): Promise<PeerDriver> => target.login(transport, target.token("reader-1", { roles: ["reader"], user: true }), "reader-1");
const device = (target: AttackTarget, transport: SessionTransport = "ws"): Promise<PeerDriver> => target.login(transport, target.token(attacker), attacker);

let refs = 0;
/** Asks for a subscription; gives the type or the code of the answer. */
async function subscribe(peer: PeerDriver, topic: string, since?: number): Promise<string> {
  const ref = `r-${++refs}`;
  peer.send({ kind: "subscribe", topic, qos: 1, since, ref, binary: false });
  for (;;) {
    const frame = await peer.next();
    if (frame["ref"] === ref || frame.type === "error") return String(frame["code"] ?? frame.type);
  }
}

/** Says something in the plant, as an operator. */
async function say(target: AttackTarget, from: string, payload: unknown, more: object = {}): Promise<void> {
  const { status, body } = await target.http({ path: "/api/messages", token: target.token(from, { roles: ["admin"] }), body: { type: "status", payload, ...more } });
  assert.equal(status, 200, body);
}

attackSuite("topics", (attack) => {
  for (const transport of sessionTransports) {
    attack(`wildcards wider than what is granted, over ${transport}: what is asked for must be covered`, async (target) => {
      const peer = await reader(target, transport);
      for (const topic of ["#", "+/#", "+/+/+", "status/#", "status/+", "status/+/+", "status/plant/#", "status/plant/+/+", "status/plant/+/#", "+/plant/meter", "+/plant/#", "event/#", "event/+/#", "event/+", "status/Plant/meter", "status/plant2/meter", "status/plan/meter"]) {
        assert.equal(await subscribe(peer, topic), "FORBIDDEN", topic);
      }
      assert.equal(await subscribe(peer, "status/plant/meter"), "subscribed");
    });

    attack(`a pattern that only touches what is denied, over ${transport}: refused as a whole`, async (target) => {
      const peer = await reader(target, transport);
      for (const topic of ["status/plant/+", "status/plant/vault", "status/plant/vault/#", "status/plant/vault/+"]) assert.equal(await subscribe(peer, topic), "FORBIDDEN", topic);
    });

    attack(`patterns that are none, over ${transport}: an MQTT filter of at most 512 bytes and 32 levels`, async (target) => {
      for (const topic of ["", "#/status", "status/#/x", "status#", "status/a+", "+status", "//", "status//x", "/status", "status/", "$SYS/#", "$share/g/status/#", "status/\0", "status/\n", "status/é", `status/${"x".repeat(600)}`, Array.from({ length: 40 }, () => "+").join("/"), "status/{id}", "status/ x"]) {
        const peer = await target.login(transport, target.admin("operator"), "operator");
        assert.match(await subscribe(peer, topic), /^(?:BAD_FRAME|FORBIDDEN)$/, JSON.stringify(topic));
      }
    });

    attack(`hearing the commands and answers of another device, over ${transport}: they are for it alone`, async (target) => {
      const peer = await device(target, transport);
      for (const topic of [`command/${victim}`, `command/${victim}/#`, "command/#", "command/+", "command/all", "command/group/+", "command/group/kitchen", "ack/#", "ack/operator", "command/device-1x", "command/+/device-1"]) assert.equal(await subscribe(peer, topic), "FORBIDDEN", topic);
    });

    attack(`saying something on another's topic by to, over ${transport}: the topic is what counts`, async (target) => {
      const spy = await Spy.open(target);
      const peer = await device(target, transport);
      for (const [type, to] of [["status", victim], ["event", victim], ["command", victim], ["command", "all"], ["command", "group/kitchen"], ["status", "plant/meter"], ["event", `${victim}/presence`], ["config", "gateway"]] as const) {
        peer.publish({ type, from: attacker, to, msgid: `${type}-to`, qos: 1, payload: 1 });
        assert.equal((await peer.next("error"))["code"], "FORBIDDEN", `${type} to ${to}`);
      }
      assert.deepEqual(await spy.heard(), []);
    });

    attack(`what the gateway keeps for itself, last wills, over ${transport}: no filter of a peer reaches it`, async (target) => {
      const honest = await target.session("ws");
      const secretWill = { type: "event", from: victim, payload: "the last will", qos: 1, msgid: "w" };
      honest.sendBytes(new TextEncoder().encode(JSON.stringify({ type: "auth", deviceId: victim, token: target.token(victim), will: secretWill })));
      await honest.next("auth_response");
      const peer = await target.login(transport, target.admin("operator"), "operator");
      for (const topic of ["will", "will/#", `will/${victim}`]) assert.equal(await subscribe(peer, topic), "FORBIDDEN", topic);
      assert.equal(await subscribe(peer, "+/#", 0), "subscribed");
      assert.equal(await subscribe(peer, "fence/#"), "subscribed");
      await say(target, "operator", 0, { type: "fence", msgid: `will-fence-${transport}` });
      for (;;) {
        const frame = await peer.next();
        assert.notEqual(frame.type, "will");
        if (frame["msgid"] === `will-fence-${transport}`) break;
      }
    });
  }

  attack("retained values and the past of topics beyond one's rights, by subscribing with since: 0: they are not among what comes", async (target) => {
    await say(target, "plant/vault", "the combination", { retain: true, qos: 1, msgid: "vault-1" });
    await say(target, "plant/meter", "42", { retain: true, qos: 1, msgid: "meter-1" });
    const peer = await reader(target);
    assert.equal(await subscribe(peer, "status/plant/meter", 0), "subscribed");
    assert.equal(await subscribe(peer, "event/plant/#", 0), "subscribed");
    await say(target, "plant/meter", "last", { qos: 1, msgid: "meter-2" });
    for (;;) {
      const frame = await peer.next("status");
      assert.equal(frame["from"], "plant/meter");
      if (frame["payload"] === "last") break;
    }
  });

  attack("the history, the series and the devices of others over HTTP: 403 without the right to hear them", async (target) => {
    const token = target.token("reader-1", { roles: ["reader"], user: true });
    const paths = ["/api/messages", "/api/messages?topic=%23", "/api/messages?topic=status/%2B/%2B", "/api/messages?topic=status/plant/%2B", "/api/messages?topic=status/plant/vault", "/api/audit", "/api/series?device=plant/vault&tag=value", `/api/series?device=${victim}&tag=t`, "/api/devices/plant%2Fvault", "/api/dead-letters", "/api/readers", "/api/plugins", "/api/flows"];
    for (const path of paths) {
      const { status, body } = await target.http({ path, token });
      assert.equal(status, 403, `${path}: ${body}`);
      assert.ok(!body.includes("combination"), path);
    }
    const { devices } = (await target.http({ path: "/api/devices", token })).json<{ readonly devices: readonly { readonly id: string }[] }>();
    assert.deepEqual(devices.filter(({ id }) => id !== "plant/meter"), []);
  });

  attack("finding out which devices exist: those that one may not see are answered like those that are not there", async (target) => {
    await say(target, "plant/vault", { temperature: 1 });
    const token = target.token("reader-1", { roles: ["reader"], user: true });
    const [there, absent] = await Promise.all(["plant%2Fvault", "plant%2Fvault%2Fnobody"].map((id) => target.http({ path: `/api/devices/${id}`, token })));
    assert.equal(there!.status, 403);
    assert.deepEqual([there!.status, Object.keys(there!.json())], [absent!.status, Object.keys(absent!.json())]);
  });

  attack("giving commands over HTTP, to a device, to a group, to all, without the right: 403, and nothing is given", async (target) => {
    const spy = await Spy.open(target, "command/#");
    for (const token of [target.token(attacker), target.token("reader-1", { roles: ["reader"], user: true }), target.token("nobody", { roles: [] })]) {
      for (const id of [victim, "all", "group%2Fkitchen", "plant%2Fmeter"]) assert.equal((await target.http({ path: `/api/devices/${id}/commands`, token, body: { payload: { open: true } } })).status, 403, id);
      assert.equal((await target.http({ path: "/api/messages", token, body: { type: "command", to: victim, payload: 1, qos: 1, msgid: "c" } })).status, 403);
      for (const path of ["/api/readers/drop", "/api/dead-letters/replay", "/api/dead-letters/drop"]) assert.equal((await target.http({ path, token, body: path.includes("readers") ? { reader: "x/y" } : { all: true } })).status, 403, path);
    }
    assert.deepEqual(await spy.heard(), []);
  });

  attack("a cursor from an admin's page in a reader's query: a cursor gives a place, not a right", async (target) => {
    for (let at = 0; at < 5; at++) await say(target, "plant/vault", `secret ${at}`, { qos: 1, msgid: `page-${at}` });
    const { next } = (await target.http({ path: "/api/messages?topic=%23&limit=1", token: target.admin() })).json<{ readonly next: string }>();
    assert.ok(next);
    const token = target.token("reader-1", { roles: ["reader"], user: true });
    assert.equal((await target.http({ path: `/api/messages?topic=%23&cursor=${encodeURIComponent(next)}`, token })).status, 403);
    const { status, body } = await target.http({ path: `/api/messages?topic=status/plant/meter&cursor=${encodeURIComponent(next)}`, token });
    assert.ok(status === 400 || (status === 200 && !body.includes("secret")), body);
  });

  attack("the groups of another: a claim in the token does not make a member, nor does a like id", async (target) => {
    for (const id of ["home-7/lamp2", "home-7", "home-7/ovens", "home-70/oven"]) {
      const peer = await target.login("ws", target.token(id, { roles: ["panel"], groups: ["kitchen"], group: "kitchen" }), id);
      assert.equal(await subscribe(peer, "status/kitchen/#"), "FORBIDDEN", id);
      peer.publish({ type: "command", from: id, to: "group/kitchen", msgid: "g", qos: 1, payload: 1 });
      assert.equal((await peer.next("error"))["code"], "FORBIDDEN", id);
    }
    const member = await target.login("ws", target.token("home-7/oven/left", { roles: ["panel"] }), "home-7/oven/left");
    assert.equal(await subscribe(member, "status/kitchen/#"), "subscribed");
  });

  attack("a narrower id keeping the rights of the wider one: a session has those of the id that it claims", async (target) => {
    const peer = await target.login("ws", target.token("home-7"), "home-7/lamp");
    for (const from of ["home-7", "home-7/oven"]) {
      peer.publish({ type: "status", from, msgid: "n", qos: 1, payload: 1 });
      assert.equal((await peer.next("error"))["code"], "FORBIDDEN", from);
    }
    assert.equal(await subscribe(peer, "command/home-7/#"), "FORBIDDEN");
  });

  attack("more rights by a second, weaker login in the same session: the last token counts, subscriptions are checked again", async (target) => {
    const peer = await target.login("ws", target.token("reader-1", { roles: ["admin"], user: true }), "reader-1");
    assert.equal(await subscribe(peer, "status/plant/vault"), "subscribed");
    peer.auth(target.token("reader-1", { roles: ["reader"], user: true }), "reader-1");
    await peer.next("auth_response");
    await say(target, "plant/vault", "after the renewal");
    assert.equal(await subscribe(peer, "status/plant/meter"), "subscribed");
    await say(target, "plant/meter", "for all to hear");
    for (;;) {
      const frame = await peer.next("status");
      assert.notEqual(frame["payload"], "after the renewal");
      if (frame["payload"] === "for all to hear") break;
    }
  });

  attack("the same ref for two subscriptions, and unsubscribing what is another's: refs are each session's own", async (target) => {
    const [one, other] = [await reader(target), await reader(target)];
    assert.equal(await subscribe(one, "status/plant/meter"), "subscribed");
    one.send({ kind: "subscribe", topic: "event/plant/#", qos: 0, since: undefined, ref: `r-${refs}`, binary: false });
    assert.equal((await one.next("error"))["code"], "DUPLICATE_REF");
    other.send({ kind: "unsubscribe", topic: "status/plant/meter", ref: `r-${refs}` });
    await other.next("unsubscribed");
    await say(target, "plant/meter", "still heard");
    for (;;) if ((await one.next("status"))["payload"] === "still heard") break;
  });
});
