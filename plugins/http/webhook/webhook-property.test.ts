import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { testPlugin } from "@busbar/core/testkit";
import { webhook } from "./mod.ts";
import { answer, hang, reset, scriptedServer, type Behaviour } from "./testing/scripted-server.ts";

type Mood = "ok" | "error" | "busy" | "hang" | "reset" | "too-large" | "refuse-one" | "name-one";

const poison = (msgid: string): boolean => msgid.endsWith("7");

/** What a server in that mood does; one that refuses always refuses the same messages. */
function behave(mood: Mood): Behaviour {
  return (request, response, incoming) => {
    const refused = request.messages.filter(({ msgid }) => poison(msgid));
    const status = mood === "error" ? 500 : mood === "busy" ? 429 : mood === "too-large" && request.messages.length > 1 ? 413 : refused.length > 0 ? 422 : 200;
    const body = mood === "name-one" && refused.length > 0 ? JSON.stringify({ refused: [{ msgid: refused[0]!.msgid, reason: "bad" }] }) : "";
    const act = mood === "hang" ? hang : mood === "reset" ? reset : answer(status, mood === "busy" ? { "retry-after": "0" } : {}, body);
    act(request, response, incoming);
  };
}

test("webhook hands over or buries every message whatever the server does, and every double carries a key that was used before", async () => {
  const moods = fc.array(fc.constantFrom<Mood>("ok", "ok", "error", "busy", "hang", "reset", "too-large", "refuse-one", "name-one"), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(moods, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 30 }), async (script, count, batch) => {
      await using server = await scriptedServer();
      server.script = script.map(behave);
      server.otherwise = behave("refuse-one");
      await using gateway = await testPlugin(webhook, { url: server.url, timeout: 100, batch: { count: batch, linger: 0 } });
      const letters: string[] = [];
      gateway.bus.subscribe("dead-letter/#", (message) => void letters.push((message.payload as { message: { msgid: string } }).message.msgid));
      await Promise.all(Array.from({ length: count }, (_, at) => gateway.bus.deliver({ type: "status", from: `plc-${at % 3}`, msgid: `m${at}`, payload: { at } })));
      const wanted = Array.from({ length: count }, (_, at) => `m${at}`);
      const good = wanted.filter((msgid) => !poison(msgid));
      const taken = (): string[] => server.taken.flatMap(({ messages }) => messages.map(({ msgid }) => msgid));
      await server.until(() => new Set(taken()).size === good.length && letters.length === count - good.length);
      assert.deepEqual([...new Set(taken())].sort(), good.sort());
      assert.deepEqual(letters.sort(), wanted.filter(poison).sort());
      const keys = new Set<string>();
      const seen = new Set<string>();
      const newest = new Map<string, number>();
      for (const { headers, messages } of server.taken) {
        const key = headers["idempotency-key"]!;
        const again = keys.has(key);
        keys.add(key);
        for (const { msgid, from, offset } of messages) {
          if (seen.has(msgid)) assert.ok(again, `${msgid} came twice under two keys`);
          else assert.ok(offset > (newest.get(from) ?? 0), `${from} is in order`);
          seen.add(msgid);
          newest.set(from, Math.max(offset, newest.get(from) ?? 0));
        }
      }
    }),
    { numRuns: 20, endOnFailure: true },
  );
});
