import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createMessage, varintFraming } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import { iotData } from "./target/device-frames.ts";
import { attackSuite } from "./target/attack-suite.ts";
import { sessionTransports, type AttackTarget } from "./target/attack-target.ts";
import { sumOf } from "./target/assert-unharmed.ts";
import { Spy } from "./target/spy.ts";

/* What falls between the pieces: one part of the gateway believes what another has long taken back. */

type Section = Record<string, unknown>;
type Config = { plugins: Record<string, Section> };

/** Revokes something, or undoes it. */
async function revoke(target: AttackTarget, body: object): Promise<void> {
  const answer = await target.http({ path: "/api/revocations", token: target.admin(), body });
  assert.equal(answer.status, 200, answer.body);
}

/** Changes the config file of the gateway, and has it read. Gives what undoes that. */
async function reconfigure(target: AttackTarget, change: (plugins: Record<string, Section>) => void): Promise<() => Promise<void>> {
  const file = target.path("busbar.json");
  const before = await readFile(file, "utf8");
  const load = async (text: string): Promise<void> => {
    await writeFile(file, text);
    const answer = await target.http({ method: "POST", path: "/api/reload", token: target.admin() });
    assert.deepEqual([answer.status, answer.json()["state"]], [200, "done"], answer.body);
  };
  const config = JSON.parse(before) as Config;
  change(config.plugins);
  await load(JSON.stringify(config));
  return () => load(before);
}

const setRole = (plugins: Record<string, Section>, name: string, role: object): void => {
  (plugins["auth-jwt"]!["roles"] as Section)[name] = role;
};

/** The roles of a device of the config. */
const setRoles = (plugins: Record<string, Section>, roles: readonly string[]): void => {
  const device = (plugins["auth-jwt"]!["devices"] as Record<string, Section>)["sensor-001"]!;
  device["roles"] = roles;
};

/** Operations that anybody may ask for: health, what a token or a credential in the body opens, and metrics, which have a test of their own. */
const open: ReadonlySet<string> = new Set(["getHealth", "getReadiness", "getMetrics", "openConsole", "enrol", "renewCredential"]);

/** What a stranger asks of each other operation; answered with 403 unless it says otherwise. */
const asked: Readonly<Record<string, { readonly query?: string; readonly body?: object; readonly status?: number; readonly sees?: object }>> = {
  sendMessages: { body: { type: "status", from: "victim-9", payload: 1 } },
  listMessages: {},
  listAudit: {},
  listDevices: { status: 200, sees: { devices: [] } },
  getDevice: {},
  getSeries: { query: "?device=victim-9&tag=t" },
  exportSeries: { query: "?device=victim-9" },
  sendCommand: { body: { payload: 1 } },
  getCommand: { status: 404 },
  listDeadLetters: {},
  replayDeadLetters: { body: { all: true } },
  dropDeadLetters: { body: { all: true } },
  listReaders: {},
  dropReader: { body: { reader: "sink/messages" } },
  reload: {},
  getReload: {},
  listRevocations: {},
  revoke: { body: { kind: "device", name: "victim-9" } },
  listEnrolments: {},
  makeEnrolment: { body: { id: "victim-9" } },
  listPlugins: {},
  getFlows: {},
};

attackSuite("between the pieces", (attack) => {
  attack("a revoked device speaks on through a listener that vouches for its peers: who is revoked is asked there, too", async (target) => {
    const spy = await Spy.open(target, "status/#");
    const socket = await target.raw("iot");
    const refusals = async (): Promise<number> => sumOf(await target.metrics(), "busbar_refused_total", 'reason="FORBIDDEN"');
    socket.write(varintFraming.frame(new TextEncoder().encode(target.listenerToken)));
    socket.write(varintFraming.frame(iotData("vouched-1"))).write(varintFraming.frame(iotData("stolen-1"))).write(varintFraming.frame(iotData("stolen-1/part")));
    await until("one is taken, two are refused", async () => (await refusals()) >= 2);
    await revoke(target, { kind: "device", name: "vouched-1" });
    const before = await refusals();
    socket.write(varintFraming.frame(iotData("vouched-1"))).write(varintFraming.frame(iotData("vouched-2")));
    await until("it is refused", async () => (await refusals()) > before);
    assert.deepEqual((await spy.heard()).map(({ from }) => from), ["vouched-1", "vouched-2"]);
    assert.equal((await target.http({ path: "/api/devices/stolen-1", token: target.admin() })).status, 404, "it is not even known");
    await revoke(target, { kind: "device", name: "vouched-1", undo: true });
  });

  attack("a device whose role was taken out of the config keeps it by staying connected: a reload asks the config again", async (target) => {
    const peer = await target.login("tcp", target.deviceSecret, "sensor-001");
    const publish = async (msgid: string): Promise<unknown> => {
      peer.publish({ type: "status", from: "sensor-001", msgid, qos: 1, payload: 1 });
      const frame = await peer.next();
      return frame["code"] ?? frame.type;
    };
    assert.equal(await publish("role-1"), "ack");
    const restore = await reconfigure(target, (plugins) => setRoles(plugins, []));
    try {
      assert.equal(await publish("role-2"), "FORBIDDEN");
    } finally {
      await restore();
    }
    assert.equal(await publish("role-3"), "ack", "and gives it back, without a new login");
  });

  for (const transport of sessionTransports) {
    attack(`a device leaves a last will over ${transport} and is revoked: what it may not say any more is not said for it`, async (target) => {
      const id = `heir-${transport}`;
      const spy = await Spy.open(target, "event/#");
      const peer = await target.session(transport);
      peer.send({ kind: "auth", deviceId: id, token: target.token(id), will: createMessage({ type: "event", from: id, msgid: `will-${transport}`, qos: 0, payload: "from beyond" }) });
      await peer.next("auth_response");
      await revoke(target, { kind: "device", name: id });
      await peer.end();
      const heard = (await spy.heard()).filter(({ payload }) => payload === "from beyond");
      assert.deepEqual(heard, []);
    });
  }

  attack("a device shows its token under a narrower id, so that a denial with {id} misses it: what its own id may not, none below it may", async (target) => {
    const restore = await reconfigure(target, (plugins) => setRole(plugins, "walled", { publish: ["status/{id}/#"], deny: { publish: ["status/{id}/door/inner"] } }));
    const token = target.token("vault-1", { roles: ["walled"] });
    const wide = await target.login("ws", token, "vault-1");
    wide.publish({ type: "status", from: "vault-1/door/inner", msgid: "w", qos: 1, payload: 1 });
    assert.equal((await wide.next("error"))["code"], "FORBIDDEN");
    const narrow = await target.login("ws", token, "vault-1/door");
    narrow.publish({ type: "status", from: "vault-1/door/inner", msgid: "n", qos: 1, payload: 1 });
    const { type, code } = await narrow.next();
    await restore();
    assert.deepEqual([type, code], ["error", "FORBIDDEN"]);
  });

  attack("somebody without a right, with a device's rights, or without a token asks for each operation of the API: only what is open answers", async (target) => {
    const { paths } = (await target.http({ path: "/openapi.json" })).json<{ paths: Record<string, Record<string, { readonly operationId: string; readonly security?: unknown }>> }>();
    const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, { operationId }]) => ({ path, method, id: operationId })));
    assert.ok(operations.length >= 27, `${operations.length} operations`);
    const nobody = target.token("nobody-1", { roles: [] });
    const device = target.token("device-1");
    const unheard = Object.keys(asked).filter((id) => !operations.some((one) => one.id === id));
    assert.deepEqual(unheard, [], "operations that are gone");
    for (const { path, method, id } of operations) {
      if (open.has(id)) continue;
      const question = asked[id];
      assert.ok(question !== undefined, `${method} ${path}: a new operation; say here what a stranger would ask of it`);
      const request = { method: method.toUpperCase(), path: path.replace("{id}", "victim-9").replace("{msgid}", "m-1") + (question.query ?? ""), ...(question.body && { body: question.body }) };
      assert.equal((await target.http(request)).status, 401, `${id} without a token`);
      for (const [who, token] of [["without a right", nobody], ["with a device's rights", device]] as const) {
        const answer = await target.http({ ...request, token });
        assert.equal(answer.status, question.status ?? 403, `${id} ${who}: ${answer.body}`);
        if (question.sees !== undefined) assert.deepEqual(answer.json(), question.sees, `${id} ${who}`);
      }
    }
  });

  attack("an enrolled device renews its secret without end, to fill the register: after some it has to wait", async (target) => {
    const offer = await target.http({ path: "/api/enrolments", token: target.admin(), body: { id: "greedy" } });
    const token = target.secrets.keep("enrolment token of greedy", offer.json<{ token: string }>().token);
    let secret = target.secrets.keep("secret of greedy", (await target.http({ path: "/api/enrol", body: { token } })).json<{ secret: string }>().secret);
    const statuses: number[] = [];
    for (let times = 0; times < 12; times++) {
      const answer = await target.http({ path: "/api/enrol/renew", body: { id: "greedy", secret } });
      statuses.push(answer.status);
      if (answer.status === 201) secret = target.secrets.keep(`secret ${times} of greedy`, answer.json<{ secret: string }>().secret);
    }
    assert.ok(statuses.slice(0, 3).every((status) => status === 201), statuses.join());
    assert.equal(statuses.at(-1), 429, statuses.join());
  });
});
