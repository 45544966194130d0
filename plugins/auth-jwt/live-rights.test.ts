import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createKernel, createLog, defaultSettings, definePlugin, envelopeJson, SessionsPort, type CheckedConfig, type CheckedInstance, type Envelope, type Sessions, type SessionOptions } from "@busbar/core";
import { fakeClock } from "@busbar/core/testkit";
import * as v from "valibot";
import { configSchema } from "./config-schema.ts";
import { issueToken } from "./issue-token.ts";
import { authJwt } from "./plugin.ts";

type Frame = Record<string, unknown>;

/** A gateway with this authority, whose config a test changes while sessions are open. */
async function site(t: TestContext, section: object) {
  const cwd = await mkdtemp(join(tmpdir(), "busbar-live-rights-"));
  const path = (file: string): string => join(cwd, file);
  const clock = fakeClock();
  let sessions: Sessions | undefined;
  const listener = definePlugin({ name: "memory", description: "Sessions in memory", config: v.strictObject({}), needs: { sessions: SessionsPort }, setup: (ctx) => void (sessions = ctx.needs.sessions) });
  const memory: CheckedInstance = { id: "memory", plugin: listener, required: true, config: {}, source: {} };
  const configOf = (auth: object): CheckedConfig => ({ instances: [memory, { id: "auth", plugin: authJwt, required: true, config: v.parse(configSchema, auth), source: auth }], routes: [], gateway: defaultSettings });
  const kernel = createKernel({ config: configOf(section), clock, cwd, log: createLog({ clock, write: () => {} }) });
  await kernel.start();
  t.after(async () => {
    await kernel.stop();
    await rm(cwd, { recursive: true });
  });
  const presence: unknown[] = [];
  kernel.bus.subscribe("event/#", ({ payload }: Envelope) => void presence.push((payload as Frame)["presence"]));
  /** A session in memory. */
  const open = (options: Partial<SessionOptions>, { transport = "websocket", remote = "10.0.0.1" } = {}) => {
    const said: Frame[] = [];
    const session = sessions!.open(
      { kind: transport, remote, send: (bytes) => void said.push(JSON.parse(Buffer.from(bytes).toString()) as Frame), buffered: () => 0, pause() {}, resume() {}, close() {} },
      { codec: envelopeJson.create(), ...options },
    );
    const send = (frame: object): void => {
      const bytes = new TextEncoder().encode(JSON.stringify(frame));
      session.receive(bytes, 0, bytes.length);
    };
    /** Publishes; gives the code of the refusal, or undefined. */
    const publish = (frame: object): unknown => {
      said.length = 0;
      send(frame);
      return said.find(({ type }) => type === "error")?.["code"];
    };
    return { said, session, send, publish };
  };
  /** A session that has logged in with a token of its own. */
  const login = async (id: string, role: string, place?: { readonly transport?: string; readonly remote?: string }) => {
    const token = await issueToken(v.parse(configSchema, section), { id, roles: [role], ttl: 3600 }, { now: clock.now(), path });
    const peer = open({ credentials: { kind: "token", token } }, place);
    while (peer.session.principal === undefined) await new Promise((resolve) => setImmediate(resolve));
    return peer;
  };
  return { kernel, presence, login, open, reload: (auth: object) => kernel.reload(configOf(auth)), command: (to: string, payload: unknown) => kernel.bus.publish({ type: "command", from: "console", to, payload }) };
}

const commands = (said: readonly Frame[]): readonly unknown[] => said.filter(({ type }) => type === "command").map(({ payload }) => payload);
const roles = { device: { publish: ["status/{id}/#", "event/{group}/#"] } };

test("groups by list and by pattern: commands and {group} rights follow a reload at once, and nobody leaves for it", async (t) => {
  const { login, reload, command, presence } = await site(t, { roles, groups: { kitchen: ["lamp", "fan"], hall: ["home-7/+"] } });
  const lamp = await login("lamp", "device");
  const door = await login("home-7/door", "device");
  for (const [at, group] of ["kitchen", "hall", "cellar"].entries()) command(`group/${group}`, at);
  assert.deepEqual([commands(lamp.said), commands(door.said)], [[0], [1]]);
  assert.equal(lamp.publish({ type: "event", to: "kitchen", payload: 1 }), undefined);
  assert.equal(lamp.publish({ type: "event", to: "cellar", payload: 1 }), "FORBIDDEN");
  presence.length = 0;

  await reload({ roles, groups: { kitchen: ["home-7/#"], cellar: ["lamp"], hall: [] } });
  for (const peer of [lamp, door]) peer.said.length = 0;
  for (const [at, group] of ["kitchen", "hall", "cellar"].entries()) command(`group/${group}`, at);
  assert.deepEqual([commands(lamp.said), commands(door.said)], [[2], [0]]);
  assert.equal(lamp.publish({ type: "event", to: "kitchen", payload: 1 }), "FORBIDDEN");
  assert.equal(lamp.publish({ type: "event", to: "cellar", payload: 1 }), undefined);
  assert.deepEqual(presence.filter((one) => one !== undefined), [], "presence does not change");
});

test("a device that a listener vouches for is in the groups of the config, before and after a reload", async (t) => {
  const { open, reload, command } = await site(t, { roles, groups: { line: ["plc-1"] } });
  const peer = open({ trusted: { roles: ["device"] } });
  assert.equal(peer.publish({ type: "status", from: "plc-1", payload: 1 }), undefined);
  command("group/line", 1);
  assert.deepEqual(commands(peer.said), [1]);
  await reload({ roles, groups: { line: [], other: ["+"] } });
  peer.said.length = 0;
  command("group/line", 2);
  command("group/other", 3);
  assert.deepEqual(commands(peer.said), [3]);
});

test("a condition counts over the session that it is meant for, also when a reload brings it", async (t) => {
  const { login, reload, open } = await site(t, { roles: { device: { publish: ["status/#"], subscribe: ["status/#"] } } });
  const inside = await login("one", "device", { transport: "tcp", remote: "10.0.0.1:7001" });
  const outside = await login("two", "device", { transport: "tcp", remote: "8.8.8.8:7001" });
  const web = await login("three", "device", { transport: "websocket", remote: "10.0.0.1" });
  const vouched = open({ trusted: { roles: ["device"] } }, { transport: "tcp", remote: "[::ffff:10.0.0.2]:7001" });
  assert.equal(vouched.publish({ type: "status", from: "four", payload: 0 }), undefined);
  for (const peer of [inside, outside, web]) {
    peer.send({ type: "subscribe", topic: "status/#", ref: "r" });
    assert.equal(peer.publish({ type: "status", payload: 1 }), undefined);
  }
  await reload({ roles: { device: { when: { transports: ["tcp"], networks: ["10.0.0.0/8"] }, publish: ["status/#"], subscribe: ["status/#"] } } });
  assert.deepEqual([outside, web, inside].map(({ said }) => said.findLast(({ ref }) => ref === "r")?.["code"]), ["FORBIDDEN", "FORBIDDEN", undefined], "subscriptions end");
  assert.deepEqual([inside, outside, web].map((peer) => peer.publish({ type: "status", payload: 2 })), [undefined, "FORBIDDEN", "FORBIDDEN"]);
  assert.equal(vouched.publish({ type: "status", from: "four", payload: 1 }), undefined);
  const fresh = await login("two", "device", { transport: "tcp", remote: "10.7.7.7:1" });
  assert.equal(fresh.publish({ type: "status", payload: 3 }), undefined);
  await reload({ roles: { device: { publish: ["status/#"] } } });
  assert.deepEqual([inside, web].map((peer) => peer.publish({ type: "status", payload: 4 })), [undefined, undefined]);
});
