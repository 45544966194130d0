import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { definePlugin, envelopeJson, SessionsPort, type Sessions } from "@busbar/core";
import { fakeClock, testPlugin } from "@busbar/core/testkit";
import fc from "fast-check";
import * as v from "valibot";
import { authJwt } from "./plugin.ts";

/*
 * Random roles, random holders, random filters, on a real kernel with real sessions: what arrives is held against topics that were counted one by one, by a matcher that shares no code with ours.
 */

const letters = ["a", "b", "c"]; // roles and filters do not name "c": it stands for every other name
const everyPath = (depth: number): readonly string[] => (depth === 1 ? letters : letters.flatMap((one) => [one, ...everyPath(depth - 1).map((rest) => `${one}/${rest}`)]));
/** One level deeper than any pattern: those that rights are counted by. */
const thinkable = everyPath(5);
/** Those that are published: a message has a type and an id. */
const topics = everyPath(3).filter((topic) => topic.includes("/"));

/** MQTT 5.0 §4.7 as a regular expression. */
function expression(pattern: string): RegExp {
  const levels = pattern.split("/");
  const open = levels.at(-1) === "#";
  const head = (open ? levels.slice(0, -1) : levels).map((level) => (level === "+" ? "[^/]+" : level)).join("/");
  return new RegExp(open ? (head === "" ? "^.+$" : `^${head}(/.+)?$`) : `^${head}$`);
}
const matching = (pattern: string): ReadonlySet<string> => {
  const test = expression(pattern);
  return new Set(thinkable.filter((topic) => test.test(topic)));
};

const level = (...more: string[]) => fc.constantFrom("a", "b", "+", ...more);
const patternOf = (longest: number, ...more: string[]) =>
  fc.tuple(fc.array(level(...more), { maxLength: longest }), fc.boolean()).map(([levels, open]) => [...levels, ...(open || levels.length === 0 ? ["#"] : [])].join("/"));
const rolePattern = patternOf(2, "{id}", "{group}");
const role = fc.record({ subscribe: fc.array(rolePattern, { maxLength: 4 }), deny: fc.array(rolePattern, { maxLength: 1 }) });
const holder = { id: fc.constantFrom("a", "b", "a/b"), groups: fc.subarray(["a", "b"]) };
const filters = fc.array(fc.record({ topic: patternOf(3), since: fc.constantFrom(undefined, 0) }), { minLength: 1, maxLength: 6 });

/** A role's pattern for one holder, as a set of topics. */
function topicsOf(pattern: string, { id, groups }: { readonly id: string; readonly groups: readonly string[] }): readonly ReadonlySet<string>[] {
  const own = pattern.replaceAll("{id}", id);
  return own.includes("{group}") ? groups.map((group) => matching(own.replaceAll("{group}", group))) : [matching(own)];
}

test("a session hears exactly the topics of the filters that one grant covers and no denial touches, live, retained and from the journal", async () => {
  const seed = randomInt(2 ** 31);
  console.log(`seed ${seed}`);
  const roles = fc.sample(role, { seed, numRuns: 400 });
  const config = { keyFile: false, roles: Object.fromEntries(roles.map(({ subscribe, deny }, at) => [`r${at}`, { subscribe, deny: { subscribe: deny } }])) };
  let sessions: Sessions | undefined;
  const listener = definePlugin({ name: "memory", description: "Sessions in memory", config: v.strictObject({}), needs: { sessions: SessionsPort }, setup: (ctx) => void (sessions = ctx.needs.sessions) });
  await using gateway = await testPlugin(listener, {}, { clock: fakeClock(), plugins: { auth: [authJwt, config] } });
  const say = (round: number): void => topics.forEach((topic, at) => void gateway.bus.publish({ type: topic[0]!, from: topic.slice(2), payload: round, retain: at % 5 === 0 }));
  for (const topic of topics) await gateway.bus.deliver({ type: topic[0]!, from: topic.slice(2), payload: "past", qos: 1 });
  say(0);

  let round = 0;
  let refused = 0;
  let granted = 0;
  await fc.assert(
    fc.asyncProperty(fc.record(holder), fc.uniqueArray(fc.nat(roles.length - 1), { minLength: 1, maxLength: 4 }), filters, async (who, held, asked) => {
      const said: Record<string, unknown>[] = [];
      const session = sessions!.open(
        { kind: "memory", remote: "here", send: (bytes) => void said.push(JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>), buffered: () => 0, pause() {}, resume() {}, close() {} },
        { codec: envelopeJson.create(), principal: { ...who, roles: held.map((at) => `r${at}`), user: true } },
      );
      const grants = held.flatMap((at) => roles[at]!.subscribe.flatMap((pattern) => topicsOf(pattern, who)));
      const denied = new Set(held.flatMap((at) => roles[at]!.deny.flatMap((pattern) => topicsOf(pattern, who).flatMap((set) => [...set]))));
      const expected = new Set<string>();
      for (const [at, { topic, since }] of asked.entries()) {
        const bytes = new TextEncoder().encode(JSON.stringify({ type: "subscribe", topic, ref: `s${at}`, since }));
        session.receive(bytes, 0, bytes.length);
        const wanted = matching(topic);
        const may = wanted.isDisjointFrom(denied) && grants.some((set) => wanted.isSubsetOf(set));
        const answer = said.find((frame) => frame["ref"] === `s${at}`)?.["type"];
        assert.equal(answer, may ? "subscribed" : "error", `${topic} for ${JSON.stringify(who)} with ${JSON.stringify(held.map((one) => roles[one]))}`);
        if (answer === "subscribed") for (const one of topics) if (wanted.has(one)) expected.add(one);
        if (answer === "subscribed") granted++;
        else refused++;
      }
      say(++round);
      const fresh = (): ReadonlySet<string> => new Set(said.filter((frame) => frame["payload"] === round).map((frame) => `${String(frame["type"])}/${String(frame["from"])}`));
      for (let turn = 0; turn < 20 || (turn < 5000 && fresh().size < expected.size); turn++) await new Promise((resolve) => setImmediate(resolve)); // behind what is replayed, which comes in batches
      session.close(1000, "done");
      const heard = said.filter((frame) => letters.includes(String(frame["type"]))).map((frame) => `${String(frame["type"])}/${String(frame["from"])}`);
      for (const topic of heard) assert.ok(expected.has(topic), `${topic} was heard, with ${JSON.stringify(held.map((one) => roles[one]))}`);
      assert.deepEqual(fresh(), expected);
    }),
    { seed, numRuns: 500 },
  );
  assert.ok(granted > 100 && refused > 100, `${granted} granted, ${refused} refused: the test asks for too little`);
});
