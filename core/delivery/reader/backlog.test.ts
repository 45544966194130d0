import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMemoryJournal } from "../../memory-journal.ts";
import { drafts, readerUnderTest, type ReaderUnderTest } from "./reader-fixture.ts";

const options = { batch: 10, overtake: 5000, pace: 20, late: 3000 };

/** A reader whose other side is away for a minute in which one message a second comes, and then takes everything. */
async function outage(subject: ReaderUnderTest, seconds = 60): Promise<void> {
  let away = true;
  subject.behave = () => {
    if (away) throw new Error("away");
  };
  for (let at = 1; at <= seconds; at++) {
    await subject.add({ payload: at });
    await subject.clock.advance(1000);
  }
  away = false;
  subject.handed.length = 0;
}

const gapsOf = async (subject: ReaderUnderTest): Promise<string[]> => [...(await subject.journal.cursors()).keys()].filter((name) => name.includes("gap"));

describe("backlog of DurableReader", () => {
  it("comes after what is new when the other side takes something again: late, paced, in order, and nothing is left out", async () => {
    const subject = readerUnderTest();
    const reader = subject.start("#", options);
    await outage(subject);
    while (subject.handed.length === 0) {
      await subject.clock.advance(100);
      await subject.add({ payload: "more" });
    }
    await subject.clock.advance(500);
    const first = subject.handed[0]!;
    assert.deepEqual([first.lane, first.late], ["live", false]);
    assert.equal((await gapsOf(subject)).length, 1, "one outage makes one gap");
    assert.ok(reader.status().lanes.find(({ lane }) => lane === "backfill")!.behind > 0);
    assert.equal(subject.metric('busbar_reader_behind{lane="backfill",reader="sink/main"}'), reader.status().lanes.at(-1)!.behind);
    await subject.add({ payload: "new" });
    await subject.clock.advance(60_000);
    const old = subject.handed.filter(({ lane }) => lane === "backfill");
    assert.ok(old.every(({ late }) => late));
    for (let at = 1, before = 0; at < old.length; at++) assert.ok(old[at]!.at - old[0]!.at >= ((before += old[at - 1]!.payloads.length) / 20) * 1000 - 100, "20 a second");
    const rest = subject.handed.filter(({ lane }) => lane === "live").flatMap(({ payloads }) => payloads);
    const all = [...old.flatMap(({ payloads }) => payloads), ...rest].filter((one) => typeof one === "number");
    assert.deepEqual(all, Array.from({ length: 60 }, (_, at) => at + 1), "first those of the backlog, then those that were live: none twice, none missing, in order");
    assert.deepEqual(await gapsOf(subject), []);
    assert.deepEqual(reader.status().lanes.map(({ lane, behind }) => [lane, behind]), [["live", 0], ["backfill", 0]]);
    await subject.close();
  });

  it("keeps its pace although batches are on their way for a while or begin late, and makes up for no more than a tenth of a second", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 80));
    await subject.clock.advance(6000);
    const stalls: Readonly<Record<number, number>> = { 3: 560, 5: 2000 };
    subject.behave = (_batch, { signal }) => subject.clock.sleep(stalls[subject.handed.length] ?? 300, signal);
    subject.start("#", options);
    await subject.clock.advance(20_000);
    const began = subject.handed.map(({ at }) => at - subject.handed[0]!.at);
    assert.deepEqual(began, [0, 500, 1000, 1560, 2000, 4000, 4400, 4900], "batches of 10 at 20 a second: every 500 ms, the one after a stall of 60 ms in time again, 100 ms made up for after a longer one");
    await subject.close();
  });

  it("goes only when no other lane has something", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 50));
    await subject.clock.advance(6000);
    subject.behave = (_batch, { signal }) => subject.clock.sleep(100, signal);
    subject.start("#", { ...options, pace: 0, lanes: [{ name: "alarm", patterns: ["event/#"] }] });
    await subject.clock.advance(50);
    await subject.add({ payload: "new" }, { payload: "alarm", type: "event" });
    await subject.clock.advance(2000);
    assert.deepEqual(subject.handed.map(({ lane }) => lane), ["backfill", "alarm", "live", "backfill", "backfill", "backfill", "backfill"]);
    await subject.close();
  });

  it("is made at start too, when the process was down", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 15));
    await subject.clock.advance(5001);
    subject.start("#", options);
    await subject.settle();
    assert.deepEqual(subject.handed.map(({ lane, payloads }) => [lane, payloads.length]), [["backfill", 10]]);
    assert.deepEqual(new Map(await subject.journal.cursors()), new Map([["sink/main", 15], ["sink/main!gap-15", 10]]));
    await subject.add({ payload: "new" });
    await subject.settle();
    assert.deepEqual(subject.handed.at(-1)!.payloads, ["new"]);
    await subject.close();
  });

  it("is not made without `overtake`, nor of what is younger: everything goes in order", async () => {
    const subject = readerUnderTest();
    const { overtake: _none, ...rest } = options;
    const reader = subject.start("#", rest);
    await outage(subject, 20);
    await subject.clock.advance(60_000);
    assert.deepEqual(subject.batches.flat(), Array.from({ length: 20 }, (_, at) => at + 1));
    assert.ok(subject.handed.every(({ lane }) => lane === "live"));
    assert.equal(subject.handed[0]!.late, true, "late is told all the same");
    assert.deepEqual(reader.status().lanes.map(({ lane }) => lane), ["live"]);
    await subject.close();
    const young = readerUnderTest();
    await young.add(...drafts(1, 15));
    await young.clock.advance(4999);
    young.start("#", options);
    await young.settle();
    assert.deepEqual(young.handed.map(({ lane, payloads }) => [lane, payloads.length]), [["live", 10], ["live", 5]]);
    await young.close();
  });

  it("is of several gaps after several outages, the oldest first, and all of them survive restarts", async () => {
    const subject = readerUnderTest();
    subject.start("#", { ...options, pace: 0.001 });
    for (let round = 0; round < 3; round++) {
      await outage(subject, 10);
      await subject.clock.advance(20_000);
    }
    assert.equal((await gapsOf(subject)).length, 3);
    await subject.close();
    subject.handed.length = 0;
    subject.behave = () => {};
    subject.start("#", { ...options, pace: 0 });
    await subject.clock.advance(5000);
    const old = subject.handed.flatMap(({ payloads }) => payloads);
    assert.ok(subject.handed.every(({ lane }) => lane === "backfill"));
    const rounds = old.filter((payload, at) => at === 0 || (payload as number) < (old[at - 1] as number)).length;
    assert.ok(rounds === 3, `${rounds} rounds in ${JSON.stringify(old)}`);
    assert.deepEqual(await gapsOf(subject), []);
    await subject.close();
  });

  it("is not given up when `overtake` is taken out of the config", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 15));
    await subject.clock.advance(6000);
    subject.start("#", { ...options, pace: 1 });
    await subject.settle();
    await subject.close();
    subject.handed.length = 0;
    subject.start("#", {});
    await subject.clock.advance(1000);
    assert.deepEqual(subject.batches.flat(), Array.from({ length: 15 }, (_, at) => at + 1).slice(1));
    await subject.close();
  });

  it("completes at start the jump that a crash interrupted", async () => {
    const subject = readerUnderTest(createMemoryJournal());
    await subject.add(...drafts(1, 20));
    await subject.journal.moveCursor("sink/main", 3);
    await subject.journal.moveCursor("sink/main!gap-15", 5);
    subject.start("#", { ...options, pace: 0 });
    await subject.settle();
    assert.deepEqual(subject.handed.map(({ lane, payloads }) => [lane, payloads[0], payloads.length]), [["live", 16, 5], ["backfill", 6, 10]]);
    assert.deepEqual(new Map(await subject.journal.cursors()), new Map([["sink/main", 20]]));
    await subject.close();
  });

  it("makes no gap while the other side stays away, however often the gateway is started", async () => {
    const subject = readerUnderTest();
    subject.behave = () => {
      throw new Error("away");
    };
    for (let round = 0; round < 5; round++) {
      await subject.add(...drafts(round * 10, 10));
      subject.start("#", options);
      await subject.clock.advance(30_000);
      await subject.close();
    }
    assert.deepEqual(new Map(await subject.journal.cursors()), new Map([["sink/main", 0]]));
    assert.ok(subject.handed.length > 20);
  });
});
