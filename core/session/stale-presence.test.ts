import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as v from "valibot";
import { createMemoryJournal } from "../memory-journal.ts";
import { definePlugin } from "../plugin.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { testPlugin } from "../testkit/test-plugin.ts";
import { openSessionsOn, settle } from "./limits-fixture.ts";

const principal = (id: string) => ({ principal: { id, roles: [], groups: [] } });

describe("presence", () => {
  it("of a device that does not come back after a crash is set to offline with when it was last seen, of others it stays", async () => {
    const journal = createMemoryJournal();
    const killed = await openSessionsOn(journal);
    const { clock } = killed;
    const seen = clock.now();
    for (const id of ["d-1", "d-2"]) killed.connect(principal(id));
    killed.gateway.bus.publish({ type: "event", from: "behind/presence", payload: { presence: "online" }, retain: true });
    await settle();
    const left = createMemoryJournal(); // what the crash leaves: nobody said goodbye
    await left.append((await journal.read({ after: 0, limit: 1000 })).entries.map(({ message }) => message));
    await killed[Symbol.asyncDispose]();

    await using subject = await openSessionsOn(left, { presenceGrace: 5000 });
    const presence = (): Record<string, unknown> => {
      const found: Record<string, unknown> = {};
      subject.gateway.bus.subscribe("event/#", (message) => void (found[message.from] = message.payload), { retained: true }).close();
      return found;
    };
    assert.deepEqual(presence()["d-1/presence"], { presence: "online", lastSeen: seen });
    subject.connect(principal("d-2"));
    subject.gateway.bus.publish({ type: "event", from: "behind/presence", payload: { presence: "online" }, retain: true });
    await subject.clock.advance(4999);
    assert.deepEqual(presence()["d-1/presence"], { presence: "online", lastSeen: seen });
    await subject.clock.advance(1);
    assert.deepEqual(presence(), { "d-1/presence": { presence: "offline", lastSeen: seen }, "d-2/presence": { presence: "online", lastSeen: subject.clock.now() - 5000 }, "behind/presence": { presence: "online" } });
  });

  it("that a plugin tells before the bus is open is of this run, and stays", async () => {
    const clock = fakeClock();
    const plant = definePlugin({
      name: "plant", description: "Speaks for machines that have no connection", config: v.strictObject({}),
      async setup({ bus }) {
        await clock.advance(1); // the gateway takes a while to start
        bus.publish({ type: "event", from: "press-1/presence", payload: { presence: "online" }, retain: true });
      },
    });
    await using gateway = await testPlugin(plant, {}, { clock, gateway: { presenceGrace: 5000 } });
    const heard: unknown[] = [];
    gateway.bus.subscribe("event/press-1/presence", ({ payload }) => void heard.push(payload), { retained: true });
    await clock.advance(6000);
    assert.deepEqual(heard, [{ presence: "online" }]);
  });
});
