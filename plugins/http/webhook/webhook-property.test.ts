import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { testPlugin, until } from "@busbar/core/testkit";
import { webhook } from "./mod.ts";
import { answer, hang, lose, reset, scriptedServer, type Behaviour } from "./testing/scripted-server.ts";

type Mood = "ok" | "lost" | "error" | "busy" | "hang" | "reset" | "too-large" | "refuse-one" | "name-one";

const poison = (msgid: string): boolean => msgid.endsWith("7");

/** What a server in that mood does; it refuses the same messages always, and takes again what it has taken before: `known` are the keys of that. */
function behave(mood: Mood, known: Set<string>): Behaviour {
  return (request, response, incoming) => {
    const key = request.headers["idempotency-key"]!;
    const refused = request.messages.filter(({ msgid }) => poison(msgid));
    const status = mood === "error" ? 500 : mood === "busy" ? 429 : mood === "too-large" && !known.has(key) && request.messages.length > 1 ? 413 : refused.length > 0 ? 422 : 200;
    const body = mood === "name-one" && refused.length > 0 ? JSON.stringify({ refused: [{ msgid: refused[0]!.msgid, reason: "bad" }] }) : "";
    if (status === 200 && mood !== "hang" && mood !== "reset") known.add(key);
    const act = mood === "hang" ? hang : mood === "reset" ? reset : mood === "lost" && status === 200 ? lose : answer(status, mood === "busy" ? { "retry-after": "0" } : {}, body);
    return act(request, response, incoming);
  };
}

test("webhook hands over or buries every message whatever the server does, and every double carries a key that was used before", async () => {
  const moods = fc.array(fc.constantFrom<Mood>("ok", "lost", "lost", "error", "busy", "hang", "reset", "too-large", "refuse-one", "name-one"), { maxLength: 7 });
  await fc.assert(
    fc.asyncProperty(moods, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 30 }), async (script, count, batch) => {
      const known = new Set<string>();
      await using server = await scriptedServer();
      server.script = script.map((mood) => behave(mood, known));
      server.otherwise = behave("refuse-one", known);
      await using gateway = await testPlugin(webhook, { url: server.url, timeout: 200, batch: { count: batch, linger: 0 } });
      const letters: string[] = [];
      gateway.bus.subscribe("dead-letter/#", (message) => void letters.push((message.payload as { message: { msgid: string } }).message.msgid));
      await Promise.all(Array.from({ length: count }, (_, at) => gateway.bus.deliver({ type: "status", from: `plc-${at % 3}`, msgid: `m${at}`, payload: { at } })));
      const wanted = Array.from({ length: count }, (_, at) => `m${at}`);
      const good = wanted.filter((msgid) => !poison(msgid));
      const taken = (): string[] => server.taken.flatMap(({ messages }) => messages.map(({ msgid }) => msgid));
      await until("every message is taken or buried", () => new Set(taken()).size === good.length && letters.length === count - good.length, { within: 60_000, show: () => ({ taken: taken(), letters }) });
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
    { numRuns: 20, endOnFailure: true, includeErrorInReport: true, examples: [[["name-one", "lost"], 8, 8], [["too-large", "lost", "too-large", "lost"], 20, 16]] },
  );
});
