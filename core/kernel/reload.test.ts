import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as v from "valibot";
import type { Authority } from "../authority.ts";
import { envelopeJson } from "../codec/envelope-json.ts";
import type { CheckedInstance, CheckedRoute } from "../config/checked.ts";
import { defineStep } from "../step.ts";
import { AuthorityPort, definePort, SessionsPort } from "../ports.ts";
import type { Session, Sessions } from "../session/sessions.ts";
import { openAuthority } from "../testkit/open-authority.ts";
import { configOf, instanceOf, kernelOf, needOf, pluginOf, until } from "./kernel-fixture.ts";

const notes: string[] = [];
const noting = (name: string, more: Parameters<typeof pluginOf>[2] = {}, then: (config: unknown) => unknown = () => {}) =>
  pluginOf(name, (ctx) => {
    notes.push(`${name} up ${JSON.stringify(ctx.config)}`);
    ctx.defer(() => void notes.push(`${name} down`));
    return then(ctx.config);
  }, more);
const versioned = (plugin: ReturnType<typeof pluginOf>, version: unknown): CheckedInstance => instanceOf(plugin, { config: version, source: version });

describe("reload()", () => {
  it("restarts what changed, starts what is new, stops what is gone, and leaves the rest alone", async () => {
    const [kept, changed, gone, fresh] = ["kept", "changed", "gone", "fresh"].map((name) => noting(name));
    const { kernel, state } = kernelOf(configOf([versioned(kept!, 1), versioned(changed!, 1), versioned(gone!, 1)]));
    await kernel.start();
    notes.length = 0;
    assert.deepEqual(await kernel.reload(configOf([versioned(fresh!, 1), versioned(kept!, 1), versioned(changed!, 2)])), { added: ["fresh"], removed: ["gone"], changed: ["changed"], refreshed: [] });
    assert.deepEqual(notes.toSorted(), ["changed down", "changed up 2", "fresh up 1", "gone down"]);
    assert.deepEqual(["kept", "changed", "gone", "fresh"].map(state), ["running", "running", "unknown", "running"]);
    notes.length = 0;
    assert.deepEqual(await kernel.reload(configOf([versioned(fresh!, 1), versioned(kept!, 1), versioned(changed!, 2)])), { added: [], removed: [], changed: [], refreshed: [] });
    assert.deepEqual(notes, []);
    await kernel.stop();
    assert.deepEqual(notes.toSorted(), ["changed down", "fresh down", "kept down"]);
  });

  it("keeps what ran before when the new config cannot be set up, and says why", async () => {
    const changed = noting("changed", {}, (config) => {
      if (config === 2) throw new Error("no such port");
    });
    const { kernel, state, clock } = kernelOf(configOf([versioned(noting("kept"), 1), versioned(changed, 1), versioned(noting("gone"), 1)]));
    await kernel.start();
    notes.length = 0;
    await assert.rejects(kernel.reload(configOf([versioned(noting("kept"), 1), versioned(changed, 2), versioned(noting("fresh"), 1)])), { message: 'plugin "changed": no such port' });
    assert.deepEqual(["kept", "changed", "gone", "fresh"].map(state), ["running", "running", "running", "unknown"]);
    assert.equal(notes.filter((note) => note === "changed up 1").length, 1);
    assert.equal(notes.filter((note) => note === "fresh up 1").length, notes.filter((note) => note === "fresh down").length);
    await kernel.stop();
    assert.equal(clock.timers, 0);
  });

  it("changes nothing for a config whose plugins need each other in a circle", async () => {
    const [a, b] = [definePort<object>("a"), definePort<object>("b")];
    const { kernel } = kernelOf(configOf([versioned(noting("kept"), 1)]));
    await kernel.start();
    notes.length = 0;
    const circle = [pluginOf("x", () => ({ a: {} }), { needs: { b }, provides: { a } }), pluginOf("y", () => ({ b: {} }), { needs: { a }, provides: { b } })].map((plugin) => instanceOf(plugin));
    await assert.rejects(kernel.reload(configOf(circle)), { code: "CONFIG" });
    assert.deepEqual(notes, []);
    await kernel.stop();
  });

  it("refuses when the kernel does not run", async () => {
    const { kernel } = kernelOf(configOf([]));
    await assert.rejects(kernel.reload(configOf([versioned(noting("fresh"), 1)])), TypeError);
    await kernel.start();
    await kernel.stop();
    notes.length = 0;
    await assert.rejects(kernel.reload(configOf([versioned(noting("fresh"), 1)])), TypeError);
    assert.deepEqual(notes, []);
  });

  it("hands dependents the new provider through the object they hold", async () => {
    const port = definePort<{ version(): unknown }>("versioned");
    let held: { version(): unknown } | undefined;
    const provider = noting("provider", { provides: { it: port } }, (config) => ({ it: { version: () => config } }));
    const dependent = instanceOf(pluginOf("dependent", (ctx) => void (held = needOf(ctx, "it")), { needs: { it: port } }));
    const { kernel } = kernelOf(configOf([versioned(provider, 1), dependent]));
    await kernel.start();
    const first = held;
    assert.equal(held!.version(), 1);
    await kernel.reload(configOf([versioned(provider, 2), dependent]));
    assert.equal(held, first);
    assert.equal(held!.version(), 2);
    await kernel.stop();
  });

  it("leaves sessions connected, and takes from them what the new authority does not grant", async () => {
    let sessions: Sessions | undefined;
    const listener = instanceOf(pluginOf("listener", (ctx) => void (sessions = needOf(ctx, "sessions")), { needs: { sessions: SessionsPort } }));
    const auth = pluginOf("auth", (ctx) => {
      const authority: Authority = { ...openAuthority(), can: () => ctx.config === 1, stands: (principal) => ctx.config !== 3 || principal.id !== "d-1" };
      return { authority };
    }, { provides: { authority: AuthorityPort } });
    const { kernel } = kernelOf(configOf([versioned(auth, 1), listener, versioned(noting("other"), 1)]));
    await kernel.start();
    const said: Record<string, unknown>[] = [];
    const closed: number[] = [];
    const session: Session = sessions!.open({ kind: "memory", remote: "here", send: (bytes) => void said.push(JSON.parse(Buffer.from(bytes).toString())), buffered: () => 0, pause() {}, resume() {}, close: (code) => void closed.push(code) }, { codec: envelopeJson.create(), principal: { id: "d-1", roles: [], groups: [] } });
    const send = (frame: object): void => {
      const bytes = new TextEncoder().encode(JSON.stringify(frame));
      session.receive(bytes, 0, bytes.length);
    };
    send({ type: "subscribe", topic: "status/#", ref: "r" });
    send({ type: "status", payload: 1 });
    assert.deepEqual(said.map((frame) => frame["type"]), ["subscribed", "status"]);
    await kernel.reload(configOf([versioned(auth, 1), listener, versioned(noting("other"), 2)]));
    send({ type: "status", payload: 2 });
    assert.equal(said.at(-1)!["payload"], 2);
    await kernel.reload(configOf([versioned(auth, 2), listener, versioned(noting("other"), 2)]));
    assert.deepEqual([said.at(-1)!["code"], said.at(-1)!["ref"]], ["FORBIDDEN", "r"], "the subscription has ended");
    send({ type: "status", payload: 3 });
    assert.equal(said.at(-1)!["code"], "FORBIDDEN");
    assert.deepEqual(closed, []);
    await kernel.reload(configOf([versioned(auth, 3), listener, versioned(noting("other"), 2)]));
    assert.deepEqual(closed, [4403]);
    await kernel.stop();
  });

  it("leaves sessions connected while the authority is away, and grants nothing new meanwhile", async () => {
    let sessions: Sessions | undefined;
    let fail: ((error: unknown) => void) | undefined;
    const listener = instanceOf(pluginOf("listener", (ctx) => void (sessions = needOf(ctx, "sessions")), { needs: { sessions: SessionsPort } }));
    let broken = false;
    const auth = instanceOf(pluginOf("auth", (ctx) => {
      if (broken) throw new Error("still broken");
      fail = (error) => ctx.fail(error);
      return { authority: openAuthority() };
    }, { provides: { authority: AuthorityPort } }));
    const { kernel, clock, state } = kernelOf(configOf([auth, listener]));
    await kernel.start();
    const said: Record<string, unknown>[] = [];
    const closed: number[] = [];
    const session = sessions!.open({ kind: "memory", remote: "here", send: (bytes) => void said.push(JSON.parse(Buffer.from(bytes).toString())), buffered: () => 0, pause() {}, resume() {}, close: (code) => void closed.push(code) }, { codec: envelopeJson.create(), principal: { id: "d-1", roles: [], groups: [] } });
    const subscribe = (topic: string): unknown => {
      const bytes = new TextEncoder().encode(JSON.stringify({ type: "subscribe", topic }));
      session.receive(bytes, 0, bytes.length);
      return said.at(-1)!["code"] ?? said.at(-1)!["type"];
    };
    broken = true;
    fail!(new Error("broken"));
    await clock.advance(5000);
    assert.deepEqual([closed, state("auth"), subscribe("status/a")], [[], "restarting", "FORBIDDEN"]);
    broken = false;
    await until(clock, () => state("auth") === "running");
    assert.deepEqual([closed, subscribe("status/a")], [[], "subscribed"]);
    await kernel.stop();
    assert.deepEqual(closed, [1001]);
  });

  it("keeps the memory of routes that did not change, and begins those that did anew", async () => {
    const count = defineStep({ description: "counts", config: v.any(), create: () => { let seen = 0; return (message, emit) => emit({ ...message, payload: ++seen }); } });
    const route = (source: unknown): CheckedRoute => ({ name: "r", from: "status/a", steps: [{ name: "count", definition: count, config: {} }], to: { kind: "topic", template: "event/counted" }, source });
    const config = (source: unknown, version: number) => ({ ...configOf([versioned(noting("other"), version)]), routes: [route(source)] });
    const { kernel, clock } = kernelOf(config(1, 1));
    await kernel.start();
    const seen: unknown[] = [];
    kernel.bus.subscribe("event/counted", ({ payload }) => void seen.push(payload));
    const send = async (): Promise<void> => {
      kernel.bus.publish({ type: "status", from: "a", payload: 0 });
      await until(clock, () => true);
    };
    await send();
    await kernel.reload(config(1, 2));
    await send();
    await kernel.reload(config(2, 2));
    await send();
    assert.deepEqual(seen, [1, 2, 1]);
    await kernel.stop();
  });
});
