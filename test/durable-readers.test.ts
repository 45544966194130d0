import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BusbarError, DeadLettersPort, definePlugin, type ConsumeOptions, type DeadLetters, type Delivery, type Entry } from "@busbar/core";
import { testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import storage from "@busbar/storage-sqlite";
import * as v from "valibot";

/** A gateway that stores in a folder, with one sink. */
async function start(cwd: string, options: { readonly consume: ConsumeOptions; readonly handler: (batch: readonly Entry[], delivery: Delivery) => void }): Promise<TestGateway & { readonly letters: DeadLetters }> {
  let letters: DeadLetters | undefined;
  const sink = definePlugin({
    name: "sink",
    description: "Takes messages",
    config: v.strictObject({}),
    needs: { letters: DeadLettersPort },
    setup(ctx) {
      letters = ctx.needs.letters;
      ctx.bus.consume("main", ["status/#", "event/#"], async (batch, delivery) => options.handler(batch, delivery), options.consume);
    },
  });
  return Object.assign(await testPlugin(sink, {}, { cwd, plugins: { storage: [storage, {}] } }), { letters: letters! });
}

test("a durable reader over storage-sqlite goes on after a restart: everything once, each lane in order, dead letters kept", async (context) => {
  const cwd = await mkdtemp(join(tmpdir(), "busbar-"));
  context.after(() => rm(cwd, { recursive: true, force: true }));
  const consume: ConsumeOptions = { batch: 20, lanes: [{ name: "alarm", patterns: ["event/#"] }], overtake: 60_000 };
  const taken: { lane: string; payload: unknown }[] = [];
  let room = 0;
  const take = (batch: readonly Entry[], { lane }: Delivery): void => {
    const bad = batch.filter(({ message }) => message.payload === "bad");
    if (room < batch.length) throw new Error("full");
    room -= batch.length;
    for (const { message } of batch) if (message.payload !== "bad") taken.push({ lane, payload: message.payload });
    if (bad.length > 0) throw new BusbarError("REFUSED", "bad", { offsets: bad.map(({ offset }) => offset) });
  };

  const total = 600;
  for (let run = 0; run < 4; run++) {
    const gateway = await start(cwd, { consume, handler: take });
    if (run === 0) {
      await Promise.all(Array.from({ length: total }, (_, at) => gateway.bus.deliver({ type: at % 10 === 9 ? "event" : "status", from: "plc-1", payload: at === 100 ? "bad" : at })));
    }
    room = run === 3 ? Number.POSITIVE_INFINITY : 150;
    await until(`run ${run} has taken its part`, () => (run === 3 ? taken.length === total - 1 : room < 20));
    await gateway.stop();
  }
  const alarms = taken.filter(({ lane }) => lane === "alarm").map(({ payload }) => payload);
  const live = taken.filter(({ lane }) => lane === "live").map(({ payload }) => payload);
  const all = Array.from({ length: total }, (_, at) => at);
  assert.deepEqual(alarms, all.filter((at) => at % 10 === 9));
  assert.deepEqual(live, all.filter((at) => at % 10 !== 9 && at !== 100));

  const later: unknown[] = [];
  const last = await start(cwd, { consume, handler: (batch, { lane }) => void later.push(...batch.map(({ message }) => [lane, message.payload])) });
  assert.deepEqual((await last.letters.list({ limit: 10 })).map(({ reader, message }) => [reader, message.payload]), [["subject/main", "bad"]]);
  assert.equal(await last.letters.replay({}), 1);
  await until("no dead letter is left", () => last.letters.size === 0);
  assert.deepEqual(later, [["replay", "bad"]]);
  await last.stop();
});
