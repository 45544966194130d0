import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConsumeOptions, Delivery, Reader } from "../bus.ts";
import { BusbarError } from "../errors.ts";
import type { Entry, Journal } from "../journal.ts";
import { createLog, type LogRecord } from "../log.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { MetricsRegistry } from "../metrics.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { createBus } from "./create-bus.ts";
import { DeadLetterBox } from "./dead-letter-box.ts";
import { PostOffice } from "./post-office.ts";

const refuse = (offsets?: readonly number[]): never => {
  throw new BusbarError("REFUSED", "no such tag", { offsets });
};

/** A post office over a journal that may have seen an earlier one. */
async function open(journal: Journal = createMemoryJournal()) {
  const clock = fakeClock();
  const log: LogRecord[] = [];
  const metrics = new MetricsRegistry();
  const office = new PostOffice({ clock, metrics, log: createLog({ clock, write: (record) => log.push(record) }), highWater: 1000, batch: 100, dedupeWindow: 1000, retainedLimit: 100 });
  const bus = createBus({ office, authority: () => assert.fail("nobody is asked") }, "sink");
  await office.open(journal);
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await clock.advance(0);
  };
  const taken: unknown[] = [];
  return {
    clock, journal, office, bus, log, settle, taken,
    letters: office.deadLetters,
    list: () => office.deadLetters.list({ limit: 1000 }),
    async say(...payloads: unknown[]): Promise<void> {
      await Promise.all(payloads.map((payload) => bus.deliver({ type: "status", from: "plc-1", payload })));
      await settle();
    },
    consume(handler: (batch: readonly Entry[], delivery: Delivery) => void, options: ConsumeOptions & { pattern?: string; name?: string } = {}): Reader {
      return bus.consume(options.name ?? "main", options.pattern ?? "status/#", async (batch, delivery) => {
        handler(batch, delivery);
        taken.push(...batch.map(({ message }) => message.payload));
      }, options);
    },
    metric: (series: string) => Number(metrics.format().split("\n").find((line) => line.startsWith(series + " "))?.split(" ").at(-1) ?? 0),
    async close(): Promise<void> {
      await office.close();
      assert.equal(clock.timers, 0);
    },
  };
}

const payloads = (letters: readonly { readonly message: { readonly payload: unknown } }[]): unknown[] => letters.map(({ message }) => message.payload);

describe("a message that a sink refuses for good", () => {
  it("becomes a dead letter before the reader moves on, which goes on with the others", async () => {
    const office = await open();
    office.consume((batch, { attempt }) => {
      assert.equal(attempt, 0);
      const bad = batch.filter(({ message }) => message.payload === "bad" || message.payload instanceof Uint8Array);
      if (bad.length > 0) refuse(bad.map(({ offset }) => offset));
    });
    await office.say("a", "bad", new Uint8Array([1, 2]), "c");
    await office.say("d");
    const [one, two, ...none] = await office.list();
    assert.equal(none.length, 0);
    const { message, ...letter } = one!;
    assert.match(letter.id, /^dl-[0-9a-f]{8}-2$/);
    assert.deepEqual(letter, { id: letter.id, offset: 5, place: 2, reader: "sink/main", reason: "no such tag", time: office.clock.now() });
    assert.deepEqual([message.topic, message.from, message.payload, message.qos, message.received], ["status/plc-1", "plc-1", "bad", 1, office.clock.now()]);
    assert.deepEqual(two!.message.payload, new Uint8Array([1, 2]));
    const { entries } = await office.journal.read({ after: 0, limit: 10, pattern: "dead-letter/sink/main" });
    assert.deepEqual(entries[0]!.message.payload, { reason: "no such tag", received: office.clock.now(), message: { ver: "1.0", msgid: message.msgid, timestamp: message.timestamp, from: "plc-1", to: "server", type: "status", payload: "bad", qos: 1, retain: false, offset: 2 } });
    assert.deepEqual([office.metric("busbar_dead_letters"), office.metric('busbar_dead_letters_total{reader="sink/main"}'), office.metric('busbar_reader_delivered_total{lane="live",reader="sink/main"}')], [2, 2, 3]);
    await office.close();
    assert.equal(await office.journal.cursor("sink/main"), office.journal.bounds().last);
  });

  it("is one of all of the batch when the sink names none, and the batch is not handed over again", async () => {
    const office = await open();
    let calls = 0;
    office.consume(() => {
      calls++;
      refuse();
    });
    await office.say(1, 2, 3);
    await office.clock.advance(60_000);
    assert.deepEqual([calls, payloads(await office.list())], [1, [1, 2, 3]]);
    await office.close();
  });

  it("is there once although a crash keeps the reader from writing down that it has moved on", async () => {
    const journal = createMemoryJournal();
    const first = await open(journal);
    first.consume(() => refuse());
    await first.say(1, 2);
    await first.close();
    await journal.moveCursor("sink/main", 0); // as if the process had died between the two
    const second = await open(journal);
    second.consume(() => refuse());
    await second.settle();
    assert.deepEqual(payloads(await second.list()), [1, 2]);
    assert.equal(second.metric('busbar_dead_letters_total{reader="sink/main"}'), 0);
    await second.close();
  });

  it("is tried to be written down until the journal takes it, while the sink is left in peace", async () => {
    const journal = createMemoryJournal();
    let full = false;
    const append = journal.append.bind(journal);
    journal.append = async (batch) => {
      if (full) throw new BusbarError("OVERLOAD", "full");
      return append(batch);
    };
    const office = await open(journal);
    let calls = 0;
    await office.say(1);
    full = true;
    office.consume(() => {
      calls++;
      refuse();
    });
    await office.clock.advance(20_000);
    assert.deepEqual([calls, await journal.cursor("sink/main"), await office.list()], [1, 0, []]);
    full = false;
    await office.clock.advance(60_000);
    assert.deepEqual([calls, payloads(await office.list())], [1, [1]]);
    await office.close();
  });

  it("is no dead letter again when it is one: readers of each other's would never end", async () => {
    const office = await open();
    office.consume(() => refuse());
    for (const name of ["one", "two"]) office.consume(() => refuse(), { name, pattern: "dead-letter/#" });
    await office.say(1);
    await office.clock.advance(10_000);
    assert.deepEqual(payloads(await office.list()), [1]);
    assert.equal(office.metric('busbar_reader_lost_total{reader="sink/one",reason="REFUSED"}'), 1);
    await office.close();
  });
});

describe("DeadLetterBox", () => {
  it("drop() forgets those of ids, of a reader, or all, and says how many there were", async () => {
    const journal = createMemoryJournal();
    const office = await open(journal);
    for (const name of ["one", "two"]) office.consume(() => refuse(), { name, batch: 1 });
    await office.say(1, 2, 3);
    const ids = (await office.letters.list({ reader: "sink/one", limit: 10 })).map(({ id }) => id);
    assert.equal(ids.length, 3);
    assert.equal(await office.letters.drop({ ids: [ids[1]!, ids[1]!, "dl-unknown"], reader: "sink/one" }), 1);
    assert.equal(await office.letters.drop({ ids: [ids[1]!] }), 0);
    assert.deepEqual(payloads(await office.letters.list({ reader: "sink/one", limit: 10 })), [1, 3]);
    assert.equal(await office.letters.drop({ reader: "sink/one" }), 2);
    assert.deepEqual((await office.list()).map(({ reader }) => reader), ["sink/two", "sink/two", "sink/two"]);
    await office.close();
    const again = await open(journal);
    assert.equal(again.letters.size, 3, "it is in the journal");
    assert.equal(await again.letters.drop({}), 3);
    assert.equal(again.letters.size, 0);
    await again.close();
  });

  it("list() goes on after an id, and says when there is none", async () => {
    const office = await open();
    office.consume(() => refuse());
    await office.say(1, 2, 3, 4, 5);
    const first = await office.letters.list({ limit: 2 });
    const rest = await office.letters.list({ limit: 2, after: first.at(-1)!.id });
    assert.deepEqual([payloads(first), payloads(rest)], [[1, 2], [3, 4]]);
    await assert.rejects(office.letters.list({ limit: 2, after: "nobody" }), { code: "NOT_FOUND" });
    await office.close();
  });

  it("replay() hands them to their reader again, late and before anything else; what is taken then is no dead letter any more", async () => {
    const office = await open();
    let mended = false;
    const deliveries: unknown[] = [];
    office.consume((batch, { lane, late }) => {
      if (!mended) refuse();
      deliveries.push([lane, late, batch.map(({ offset, message }) => [offset, message.payload])]);
    }, { batch: 2 });
    await office.say(1, 2, 3);
    mended = true;
    assert.equal(await office.letters.replay({}), 3);
    await office.say("new");
    assert.deepEqual(deliveries, [["replay", true, [[1, 1], [2, 2]]], ["replay", true, [[3, 3]]], ["live", false, [[office.journal.bounds().last - 2, "new"]]]].sort((a, b) => (a[0] === "live" ? 1 : b[0] === "live" ? -1 : 0)));
    assert.equal(office.letters.size, 0);
    assert.equal(await office.letters.replay({}), 0);
    await office.close();
  });

  it("replay() makes a new dead letter of what is refused again, in the place of the old one", async () => {
    const office = await open();
    office.consume(() => refuse());
    await office.say(1);
    const [before] = await office.list();
    for (let round = 0; round < 3; round++) {
      assert.equal(await office.letters.replay({ reader: "sink/main" }), 1);
      await office.settle();
    }
    const [after, ...none] = await office.list();
    assert.equal(none.length, 0);
    assert.notEqual(after!.id, before!.id);
    assert.ok(after!.id.length <= 64 && after!.offset > before!.offset);
    assert.deepEqual([after!.message.payload, after!.message.msgid, after!.message.received], [1, before!.message.msgid, before!.message.received]);
    await office.close();
  });

  it("replay() survives the end of the process at every point, and of what was dropped meanwhile nothing is handed over", async () => {
    const journal = createMemoryJournal();
    const first = await open(journal);
    const reader = first.consume(() => refuse());
    await first.say(1, 2, 3);
    reader.close();
    await reader.ended;
    const letters = await first.list();
    assert.equal(await first.letters.replay({}), 3);
    assert.equal(await first.letters.drop({ ids: [letters[1]!.id] }), 1);
    await first.close();

    const second = await open(journal);
    let away = true;
    second.consume(() => {
      if (away) throw new Error("away");
    }, { batch: 1 });
    await second.clock.advance(1000);
    assert.equal(second.letters.size, 2);
    away = false;
    await second.close();

    const third = await open(journal);
    third.consume(() => {});
    await third.settle();
    assert.deepEqual([third.taken, third.letters.size], [[1, 3], 0]);
    await third.close();
    const fourth = await open(journal);
    fourth.consume(() => {});
    await fourth.settle();
    assert.deepEqual(fourth.taken, [], "what has been taken is not handed over again");
    await fourth.close();
  });

  it("believes nobody but the reader itself", async () => {
    const office = await open();
    office.consume(() => refuse());
    await office.say(1);
    const [letter] = await office.list();
    await office.bus.deliver({ type: "dead-letter", from: "mallory", to: "sink/main", payload: { drop: [letter!.id] } });
    await office.bus.deliver({ type: "dead-letter", from: "mallory", payload: { drop: [letter!.id] } });
    for (const payload of [null, "x", { drop: 1 }, { replay: [1, null] }]) await office.bus.deliver({ type: "dead-letter", from: "sink/main", payload });
    assert.equal(office.letters.size, 1);
    for (const payload of [{ message: null }, { message: {}, reason: "x" }, { message: { offset: 1, type: "#" }, reason: "x", received: 1 }]) await office.bus.deliver({ type: "dead-letter", from: "sink/main", payload });
    assert.deepEqual(await office.list(), [letter], "what is no dead letter is taken for none");
    await office.close();
  });

  it("says and counts when retention removes them, and when there are more than it keeps track of", async () => {
    const office = await open(createMemoryJournal({ limit: 8 }));
    office.consume(() => refuse());
    await office.say(1, 2, 3);
    assert.equal(office.metric("busbar_dead_letters"), 3);
    await office.say(4);
    assert.deepEqual(payloads(await office.list()), [1, 2, 3, 4]);
    await office.say(5, 6);
    assert.deepEqual(payloads(await office.list()), [2, 3, 4, 5, 6]);
    assert.equal(office.metric('busbar_dead_letters_lost_total{reason="retention"}'), 1);
    assert.ok(office.log.some(({ level, message }) => level === "error" && message === "dead letter is lost"));
    await office.close();

    const metrics = new MetricsRegistry();
    const small = new DeadLetterBox({ deliver: () => Promise.reject(new Error("unused")), metrics, limit: 2, log: createLog({ clock: fakeClock(), write: () => {} }) });
    const full = await open();
    full.consume(() => refuse());
    await full.say(1, 2, 3);
    await small.open(full.journal);
    assert.deepEqual(payloads(await small.list({ limit: 10 })), [2, 3]);
    assert.match(metrics.format(), /busbar_dead_letters_lost_total\{reason="limit"\} 1/);
    await full.close();
  });
});
