import assert from "node:assert/strict";
import { connect } from "node:net";
import { once } from "node:events";
import type { PeerDriver } from "@busbar/core/testkit";
import { attackSuite } from "./target/attack-suite.ts";
import type { AttackTarget, SessionTransport } from "./target/attack-target.ts";
import { Spy } from "./target/spy.ts";

/** Roles that leave something to gain to who is elsewhere, is called otherwise, or asks for a little more. */
const roles = {
  admin: { publish: ["#"], subscribe: ["#"] },
  device: { publish: ["status/{id}/#", "event/{id}/#", "ack/#"], subscribe: ["command/{id}/#"] },
  /** May command over TCP only, and hear the vault over nothing but HTTP. */
  console: { subscribe: ["status/plant/meter", { topic: "status/plant/vault", when: { transports: ["http"] } }], publish: [{ topic: "command/#", when: { transports: ["tcp"] } }] },
  /** Only from a network that nobody here is in. */
  headquarters: { when: { networks: ["203.0.113.0/24", "2001:db8::/32"] }, publish: ["#"], subscribe: ["#"] },
  /** Everything, but no commands over HTTP and nothing of the audit log from this machine. */
  remote: { publish: ["#"], subscribe: ["#"], deny: { publish: [{ topic: "command/#", when: { transports: ["http"] } }], subscribe: [{ topic: "audit/#", when: { networks: ["127.0.0.0/8", "::1"] } }, "status/+/vault/#"] } },
  member: { subscribe: ["status/{group}/#"] },
};

const options = {
  plugins: {
    "auth-jwt": { roles, groups: { kitchen: ["home-7/lamp", "home-7/oven/#"] } },
    sealed: { use: "opcua-sim", opcua: { enabled: false }, modbus: { port: 0 }, period: "1h", plant: { devices: [{ kind: "lamp", id: "press-1", watts: 9 }] } },
  },
};

let refs = 0;
async function subscribe(peer: PeerDriver, topic: string, since?: number): Promise<string> {
  const ref = `rights-${++refs}`;
  peer.send({ kind: "subscribe", topic, qos: 1, since, ref, binary: false });
  for (;;) {
    const frame = await peer.next();
    if (frame["ref"] === ref || frame.type === "error") return String(frame["code"] ?? frame.type);
  }
}

const as = (target: AttackTarget, role: string, { id = "guest-1", transport = "ws" }: { readonly id?: string; readonly transport?: SessionTransport } = {}): Promise<PeerDriver> =>
  target.login(transport, target.token(id, { roles: [role], user: true }), id);

/** Publishes a command; gives the code of the refusal, or "ack". */
async function give(peer: PeerDriver, to: string): Promise<string> {
  peer.publish({ type: "command", from: "guest-1", to, msgid: `give-${++refs}`, qos: 1, payload: { on: true } });
  for (;;) {
    const frame = await peer.next();
    if (frame.type === "error" || (frame.type === "ack" && frame["status"] !== undefined && frame["from"] === undefined)) return String(frame["code"] ?? frame.type);
  }
}

attackSuite("rights", (attack) => {
  attack("a right that holds over TCP, used over WebSocket and HTTP: it is asked for where the session is", async (target) => {
    const spy = await Spy.open(target, "command/#");
    const web = await as(target, "console");
    assert.equal(await give(web, "home-9"), "FORBIDDEN");
    const token = target.token("guest-1", { roles: ["console"], user: true });
    assert.equal((await target.http({ path: "/api/devices/home-9/commands", token, body: { payload: { on: true } } })).status, 403);
    assert.deepEqual(await spy.heard(), []);
    assert.equal(await give(await as(target, "console", { transport: "tcp" }), "home-9"), "ack", "over TCP it may");
  });

  attack("a right that holds over HTTP, used over WebSocket: the same token is less there", async (target) => {
    const token = target.token("guest-1", { roles: ["console"], user: true });
    assert.equal((await target.http({ path: "/api/messages?topic=status/plant/vault", token })).status, 200);
    const peer = await target.login("ws", token, "guest-1");
    for (const topic of ["status/plant/vault", "status/plant/+", "status/#"]) assert.equal(await subscribe(peer, topic), "FORBIDDEN", topic);
    assert.equal(await subscribe(peer, "status/plant/meter"), "subscribed");
  });

  attack("the token of a privileged place first used there, then here: what is remembered of a token is not where it came from", async (target) => {
    const token = target.token("guest-1", { roles: ["console"], user: true });
    const plant = await target.login("tcp", token, "guest-1");
    assert.equal(await give(plant, "home-9"), "ack");
    const web = await target.login("ws", token, "guest-1");
    assert.equal(await give(web, "home-9"), "FORBIDDEN");
    web.auth(token, "guest-1");
    await web.next("auth_response");
    assert.equal(await give(web, "home-9"), "FORBIDDEN", "also after a second login");
  });

  attack("lying about the address by X-Forwarded-For, Forwarded, X-Real-IP and the like: the socket's address counts", async (target) => {
    const token = target.token("guest-1", { roles: ["headquarters"], user: true });
    for (const header of ["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "X-Real-IP: 203.0.113.7", "True-Client-IP: 203.0.113.7", "CF-Connecting-IP: 203.0.113.7", "X-Forwarded-For: 203.0.113.7, 127.0.0.1", "Host: 203.0.113.7", "Via: 1.1 203.0.113.7"]) {
      const [name = "", value = ""] = header.split(": ");
      assert.equal((await target.http({ path: "/api/messages?topic=status/plant/meter", token, headers: { [name.toLowerCase()]: value } })).status, 403, header);
    }
    const peer = await target.login("ws", token, "guest-1");
    assert.equal(await subscribe(peer, "status/plant/meter"), "FORBIDDEN");
  });

  attack("a denial for one transport, walked around by another form of the same request: the topic and the place decide, not the endpoint", async (target) => {
    const spy = await Spy.open(target, "command/#");
    const token = target.token("guest-1", { roles: ["remote"], user: true });
    assert.equal((await target.http({ path: "/api/devices/home-9/commands", token, body: { payload: 1 } })).status, 403);
    for (const body of [{ type: "command", to: "home-9", payload: 1, qos: 1, msgid: "w-1" }, [{ type: "command", to: "all", payload: 1, qos: 1, msgid: "w-2" }], { type: "control", to: "home-9", payload: 1, qos: 1, msgid: "w-3" }]) {
      const { status } = await target.http({ path: "/api/messages", token, body });
      assert.ok(status === 403 || !JSON.stringify(body).includes('"command"'), `${status} for ${JSON.stringify(body)}`);
    }
    assert.deepEqual(await spy.heard(), []);
  });

  attack("a denial for this machine, from 127.0.0.1 as IPv4 and as a dual-stack socket writes it: both are this machine", async (target) => {
    const peer = await as(target, "remote");
    for (const topic of ["audit/#", "audit/gateway", "+/gateway", "+/#", "#"]) assert.equal(await subscribe(peer, topic), "FORBIDDEN", topic);
    const token = target.token("guest-1", { roles: ["remote"], user: true });
    assert.equal((await target.http({ path: "/api/messages?topic=audit/%23", token })).status, 403);
    assert.equal(await subscribe(peer, "status/plant/meter"), "subscribed");
  });

  attack("what is denied, in part, by filters that go around it: a filter that touches a denial is refused as a whole", async (target) => {
    const peer = await as(target, "remote");
    for (const topic of ["status/#", "status/+/#", "status/+/+", "status/+/vault", "status/plant/#", "status/plant/+", "status/plant/vault/+/x", "+/plant/vault", "+/+/+/#"]) assert.equal(await subscribe(peer, topic), "FORBIDDEN", topic);
    assert.equal(await subscribe(peer, "status/+/vaults"), "subscribed");
  });

  attack("role names that are properties of every object: a role is one that the config names", async (target) => {
    const spy = await Spy.open(target, "status/#");
    for (const role of ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "valueOf", "", " admin", "Admin", "admin\0", "admin,device", "*", "{id}"]) {
      const peer = await target.login("ws", target.token("guest-1", { roles: [role] }), "guest-1");
      assert.equal(await subscribe(peer, "status/guest-1"), "FORBIDDEN", JSON.stringify(role));
      peer.publish({ type: "status", from: "guest-1", msgid: "p", qos: 1, payload: 1 });
      assert.equal((await peer.next("error"))["code"], "FORBIDDEN", JSON.stringify(role));
    }
    assert.deepEqual(await spy.heard(), []);
  });

  attack("an id with wildcards or placeholders in it, which would widen {id}: nobody can be called so", async (target) => {
    for (const id of ["+", "#", "home-7/#", "+/lamp", "{id}", "{group}", "home-7/+", "$SYS", "home-7/{id}"]) {
      const peer = await target.session("ws");
      peer.auth(target.token(id), id);
      assert.equal((await peer.end()).code, 4403, id);
    }
  });

  attack("a group with slashes or wildcards in a token's claims: groups come from the config alone", async (target) => {
    for (const groups of [["a/b"], ["+"], ["#"], ["kitchen"], ["kitchen/#"], "kitchen", { kitchen: true }]) {
      const peer = await target.login("ws", target.token("home-70/lamp", { roles: ["member"], groups, group: groups, ownGroups: groups, via: { transport: "tcp", remote: "203.0.113.7" } }), "home-70/lamp");
      for (const topic of ["status/kitchen/#", "status/a/b", "status/+/x", "status/#"]) assert.equal(await subscribe(peer, topic), "FORBIDDEN", `${JSON.stringify(groups)} ${topic}`);
    }
  });

  attack("the origin of one's rights by a claim in the token: via is what the gateway saw", async (target) => {
    const claims = { roles: ["headquarters"], user: true, via: { transport: "tcp", remote: "203.0.113.7" }, remote: "203.0.113.7", transport: "tcp" };
    const peer = await target.login("ws", target.token("guest-1", claims), "guest-1");
    assert.equal(await subscribe(peer, "status/plant/meter"), "FORBIDDEN");
    peer.publish({ type: "status", from: "guest-1", msgid: "v", qos: 1, payload: 1 });
    assert.equal((await peer.next("error"))["code"], "FORBIDDEN");
  });

  attack("commanding a machine whose connection does not say allowWrites, as an admin: FORBIDDEN that names the setting", async (target) => {
    const spy = await Spy.open(target, "status/press-1");
    const token = target.admin("operator");
    const { status, body } = await target.http({ path: "/api/devices/press-1/commands", token, body: { payload: { on: true }, wait: 20_000 } });
    assert.ok(status < 300, body);
    assert.match(body, /"state":"failed"/);
    assert.match(body, /FORBIDDEN.*plugins\.sealed\.allowWrites is false/);
    assert.deepEqual(await spy.heard(), []);
  });

  attack("writing past the gateway, to the Modbus port of that machine: exception 01, and nothing moves", async (target) => {
    const spy = await Spy.open(target, "status/press-1");
    const socket = connect(modbusPort(target), "127.0.0.1");
    target.own(() => socket.destroy());
    const ask = async (pdu: string): Promise<string> => {
      socket.write(Buffer.from(`00010000${(pdu.length / 2 + 1).toString(16).padStart(4, "0")}01${pdu}`, "hex"));
      const [answer] = (await once(socket, "data")) as [Buffer];
      return answer.subarray(7).toString("hex");
    };
    assert.deepEqual([await ask("050000ff00"), await ask("0600000032"), await ask("0f000000010101"), await ask("100000000102" + "0032")], ["8501", "8601", "8f01", "9001"]);
    assert.equal(await ask("0100000001"), "010100", "it is off");
    socket.end();
    assert.deepEqual(await spy.heard(), []);
  });
}, options);

function modbusPort({ output }: AttackTarget): number {
  const port = /modbus-tcp:\/\/127\.0\.0\.1:(\d+)/.exec(output.stdout)?.[1];
  assert.ok(port, "the Modbus server listens");
  return Number(port);
}
