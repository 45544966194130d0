import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Journal } from "../../journal.ts";
import { drafts, readerUnderTest } from "./reader-fixture.ts";
import { ReaderTopics } from "./reader-topics.ts";

const lanes = [
  { name: "alarm", patterns: ["event/+/alarm"] },
  { name: "command", patterns: ["command/#"] },
];
const alarm = { type: "event", from: "d-1/alarm" };

describe("batches of DurableReader", () => {
  it("end at `batch` entries, and at `bytes` of payload but have one entry at least", async () => {
    const subject = readerUnderTest();
    await subject.add(...["12", "12", "123456789012", "1", "1", "1", "1", "1"].map((payload) => ({ payload })));
    subject.start("#", { batch: 4, bytes: 12 });
    await subject.settle();
    assert.deepEqual(subject.batches, [["12", "12"], ["123456789012"], ["1", "1", "1", "1"], ["1"]], "a string is as long as its JSON");
    await subject.close();
  });

  it("wait `linger` for more, from when their first entry could go, and go at once when they are full", async () => {
    const subject = readerUnderTest();
    const { clock } = subject;
    subject.start("#", { batch: 3, linger: 100 });
    await subject.settle();
    await subject.add({ payload: 1 });
    await clock.advance(60);
    await subject.add({ payload: 2 });
    await clock.advance(60);
    assert.deepEqual(subject.handed.map(({ at, payloads }) => [at, payloads]), [[100, [1, 2]]]);
    await subject.add(...drafts(3, 4));
    await clock.advance(99);
    assert.deepEqual(subject.handed.slice(1).map(({ at, payloads }) => [at, payloads]), [[120, [3, 4, 5]]]);
    await clock.advance(1);
    assert.deepEqual(subject.handed.slice(2).map(({ at, payloads }) => [at, payloads]), [[220, [6]]]);
    await subject.close();
    assert.equal(clock.timers, 0);
  });

  it("count the wait of what arrives while one is out from its arrival", async () => {
    const subject = readerUnderTest();
    const { clock } = subject;
    subject.behave = (_batch, { signal }) => clock.sleep(200, signal);
    subject.start("#", { linger: 100 });
    await subject.settle();
    await subject.add({ payload: 1 });
    await clock.advance(250);
    await subject.add({ payload: 2 });
    await clock.advance(500);
    assert.deepEqual(subject.handed.map(({ at, payloads }) => [at, payloads]), [[100, [1]], [350, [2]]]);
    await subject.close();
  });

  it("are late when what they hold arrived longer ago than `late`, and hold nothing else then", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 3));
    await subject.clock.advance(1001);
    await subject.add(...drafts(4, 2));
    subject.start("#", { late: 1000 });
    await subject.settle();
    assert.deepEqual(subject.handed.map(({ payloads, late, lane }) => [payloads, late, lane]), [[[1, 2, 3], true, "live"], [[4, 5], false, "live"]]);
    await subject.close();
  });

  it("that failed are told as late when they have become so, and divided when a part of them has", async () => {
    const subject = readerUnderTest();
    const { clock } = subject;
    let away = true;
    subject.behave = () => {
      if (away) throw new Error("away");
    };
    await subject.add({ payload: 1 });
    await clock.advance(40_000);
    await subject.add({ payload: 2 });
    subject.start();
    while (subject.handed.length < 9) await clock.advance(100); // 22 to 25 s
    away = false;
    while (subject.handed.length < 11) await clock.advance(100);
    assert.deepEqual([subject.handed[0]!.payloads, subject.handed[0]!.late], [[1, 2], false]);
    assert.deepEqual(subject.handed.slice(-2).map(({ payloads, late, attempt }) => [payloads, late, attempt]), [[[1], true, 9], [[2], false, 0]]);
    await subject.close();
  });
});

describe("lanes of DurableReader", () => {
  it("go in their order, each in the order of the journal, and have a cursor each", async () => {
    const subject = readerUnderTest();
    await subject.add(...drafts(1, 3), { payload: "c1", type: "command", to: "d-1" }, { payload: "a1", ...alarm }, { payload: 4 }, { payload: "a2", ...alarm }, { payload: "c2", type: "command", to: "d-2" });
    const reader = subject.start("#", { lanes });
    await subject.settle();
    assert.deepEqual(subject.handed.map(({ lane, payloads }) => [lane, payloads]), [["alarm", ["a1", "a2"]], ["command", ["c1", "c2"]], ["live", [1, 2, 3, 4]]]);
    assert.deepEqual(reader.status().lanes, ["alarm", "command", "live"].map((lane) => ({ lane, offset: 8, behind: 0 })));
    await subject.close();
    const cursors = [...(await subject.journal.cursors())].filter(([name]) => !name.includes("!lanes-"));
    assert.deepEqual(new Map(cursors), new Map([["sink/main!alarm", 8], ["sink/main!command", 8], ["sink/main", 8]]));
  });

  it("let a more urgent entry pass at the next batch, and at the next attempt of one that failed", async () => {
    const subject = readerUnderTest();
    const { clock } = subject;
    let away = false;
    subject.behave = async (_batch, { signal }) => {
      if (away) throw new Error("away");
      await clock.sleep(100, signal);
    };
    await subject.add(...drafts(1, 3));
    subject.start("#", { lanes, batch: 1 });
    await clock.advance(50);
    await subject.add({ payload: "a1", ...alarm });
    await clock.advance(60);
    assert.deepEqual(subject.batches, [[1], ["a1"]]);
    away = true;
    await clock.advance(120);
    assert.deepEqual(subject.batches.slice(2), [[2]]);
    await subject.add({ payload: "a2", ...alarm });
    away = false;
    await clock.advance(1000);
    assert.deepEqual(subject.handed.slice(3).map(({ payloads, attempt }) => [payloads, attempt]), [[["a2"], 0], [[2], 1], [[3], 0]]);
    await subject.close();
  });

  it("leave the less urgent their share when they always have a little, and never let an entry wait for more than one batch of another lane", async () => {
    const subject = readerUnderTest();
    const { clock } = subject;
    let alarms = 0;
    let commands = 0;
    subject.behave = async (_batch, { lane }) => {
      if (lane === "alarm" && alarms < 40) await subject.add({ payload: `a${++alarms}`, ...alarm });
      if (lane === "command" && commands < 40) await subject.add({ payload: `c${++commands}`, type: "command", to: "d-1" });
      if (lane === "command" && commands === 1) await subject.add({ payload: "new" });
      if (lane !== "alarm") await subject.add({ payload: `a${++alarms}`, ...alarm });
    };
    await subject.add({ payload: "a0", ...alarm }, { payload: "c0", type: "command", to: "d-1" }, ...drafts(1, 3));
    await clock.advance(1001);
    subject.start("#", { lanes, batch: 2, overtake: 1000, pace: 0 });
    await subject.settle();
    const turns = subject.handed.map(({ lane }) => lane);
    assert.deepEqual(turns.slice(0, 8), ["alarm", "command", "alarm", "live", "alarm", "command", "alarm", "backfill"]);
    assert.equal(turns.some((lane, at) => lane !== "alarm" && turns[at + 1] !== "alarm" && at + 1 < 40), false, "there was an alarm at any time");
    await subject.close();
  });

  it("leave nothing to the less urgent before they have caught up", async () => {
    const subject = readerUnderTest();
    await subject.add(...Array.from({ length: 9 }, (_, at) => ({ payload: `a${at}`, ...alarm })), ...drafts(1, 3));
    subject.start("#", { lanes, batch: 2 });
    await subject.settle();
    assert.deepEqual(subject.handed.map(({ lane }) => lane), ["alarm", "alarm", "alarm", "alarm", "alarm", "live", "live"]);
    await subject.close();
  });

  it("are strictly one after the other", async () => {
    const subject = readerUnderTest();
    const { clock } = subject;
    let out = 0;
    let most = 0;
    subject.behave = async (_batch, { signal }) => {
      most = Math.max(most, ++out);
      await clock.sleep(10, signal);
      out--;
    };
    subject.start("#", { lanes, batch: 2, overtake: 50 });
    for (let at = 0; at < 40; at++) {
      await subject.add({ payload: at, ...(at % 3 === 0 ? alarm : {}) }, { payload: -at });
      await clock.advance(5);
    }
    await clock.advance(10_000);
    assert.equal(most, 1);
    assert.equal(subject.batches.flat().length, 80);
    await subject.close();
  });

  it("a new one begins where the rest is", async () => {
    const subject = readerUnderTest();
    await subject.add({ payload: "a1", ...alarm }, { payload: 1 });
    subject.start();
    await subject.settle();
    await subject.close();
    await subject.add({ payload: 2 }, { payload: "a2", ...alarm });
    subject.start("#", { lanes });
    await subject.settle();
    assert.deepEqual(subject.batches, [["a1", 1], ["a2"], [2]]);
    await subject.close();
  });
});

describe("lanes of DurableReader that are others than last time", () => {
  const begin = { overtake: 1000, pace: 0, batch: 5 };

  it("leave nothing out, although what was urgent or left behind had not been handed over, and forget cursors that nobody needs", async () => {
    for (const next of [[], [lanes[1]!], [{ name: "alarm", patterns: ["event/other"] }, ...lanes], [...lanes].reverse()]) {
      const subject = readerUnderTest();
      const { clock, journal } = subject;
      subject.behave = (_batch, { lane }) => {
        if (lane !== "live") throw new Error("away");
      };
      await subject.add({ payload: 0 });
      subject.start("#", { ...begin, lanes });
      await subject.settle();
      subject.behave = () => {
        throw new Error("away");
      };
      await subject.add(...drafts(1, 10), { payload: "a1", ...alarm }, { payload: "c1", type: "command", to: "d-1" });
      await clock.advance(5000);
      await subject.close();
      // As after a crash in the midst of catching up: what is newest has been taken, what is urgent has not.
      await journal.moveCursor("sink/main!gap-10", 1);
      await journal.moveCursor("sink/main", 13);
      subject.handed.length = 0;
      subject.behave = () => {};
      subject.start("#", { ...begin, lanes: next });
      await clock.advance(60_000);
      const got = subject.batches.flat();
      for (const payload of [...Array.from({ length: 10 }, (_, at) => at + 1), "a1", "c1"]) assert.ok(got.includes(payload), `${String(payload)} with ${JSON.stringify(next)}`);
      await subject.close();
      const names = [...(await journal.cursors()).keys()].filter((name) => !name.includes("!lanes-"));
      assert.deepEqual(new Set(names), new Set(["sink/main", ...next.map(({ name }) => `sink/main!${name}`)]));
      assert.equal((await journal.cursors()).size - names.length, next.length === 0 ? 0 : 1);
    }
  });

  it("hand nothing over again when everything had been", async () => {
    const subject = readerUnderTest();
    await subject.add({ payload: "a", ...alarm }, ...drafts(1, 10));
    for (const next of [lanes, [], [lanes[0]!], lanes]) {
      subject.start("#", { lanes: next });
      await subject.settle();
      await subject.close();
    }
    assert.deepEqual(subject.batches.flat().length, 11);
  });

  it("are looked at again when a crash came between, at any point", async () => {
    for (let writes = 0; writes < 12; writes++) {
      const subject = readerUnderTest();
      const { journal } = subject;
      await subject.add({ payload: "a", ...alarm }, ...drafts(1, 4));
      for (const [name, offset] of [["sink/main!alarm", 0], ["sink/main", 5], ["sink/main!gap-3", 1], ["sink/main!lanes-00000000", 5]] as const) await journal.moveCursor(name, offset);
      let left = writes;
      const write = (): void => {
        if (left-- <= 0) throw new Error("died");
      };
      const dying: Journal = { epoch: journal.epoch, bounds: () => journal.bounds(), append: (batch) => journal.append(batch), read: (query) => journal.read(query), retained: () => journal.retained(), cursor: (name) => journal.cursor(name), cursors: () => journal.cursors(),
        moveCursor(name, offset) {
          write();
          return journal.moveCursor(name, offset);
        },
        dropCursor(name) {
          write();
          return journal.dropCursor(name);
        },
      };
      subject.behave = () => {
        throw new Error("away");
      };
      subject.start("#", { journal: dying });
      await subject.clock.advance(1000);
      await subject.close();
      subject.behave = () => {};
      subject.handed.length = 0;
      subject.start("#");
      await subject.clock.advance(1000);
      for (const payload of ["a", 1, 2]) assert.ok(subject.batches.flat().includes(payload), `${payload} after ${writes} writes`);
      await subject.close();
      assert.deepEqual(new Map(await journal.cursors()), new Map([["sink/main", 5]]));
    }
  });
});

describe("ReaderTopics", () => {
  it("asks the journal for no more than a lane and the reader have in common", () => {
    const queries = (pattern: string | readonly string[], patterns: readonly string[]) => new ReaderTopics([pattern].flat(), { reader: "sink/main", lanes: [{ name: "x", patterns }] }).queries[0];
    assert.deepEqual(queries("#", ["event/+/alarm"]), ["event/+/alarm"]);
    assert.deepEqual(queries("event/plant/#", ["event/#"]), ["event/plant/#"]);
    assert.deepEqual(queries("status/#", ["command/#"]), []);
    assert.deepEqual(queries(["status/#", "event/#"], ["+/d-1", "ack/#"]), ["+/d-1"]);
    assert.deepEqual(queries("event/+/x", ["event/y/+"]), ["event/y/+"]);
    assert.deepEqual(queries("event/a", ["event/a/b"]), []);
  });

  it("laneOf() takes the first lane that fits, and nothing that the reader does not want", () => {
    const topics = new ReaderTopics(["event/#", "status/#"], { reader: "sink/main", lanes: [{ name: "a", patterns: ["event/+/alarm", "command/#"] }, { name: "b", patterns: ["event/#"] }] });
    assert.deepEqual(["event/d/alarm", "event/d", "status/d", "command/d", "statuses/d"].map((topic) => topics.laneOf(topic)), [0, 1, 2, -1, -1]);
  });

  it("leaves out dead letters and the audit log unless they are named", () => {
    const wants = (pattern: string, topic: string): boolean => new ReaderTopics([pattern], { reader: "sink/main", lanes: [] }).laneOf(topic) === 0;
    assert.deepEqual(["#", "+/x/y", "dead-letter/#", "dead-letter/x/y"].map((pattern) => wants(pattern, "dead-letter/x/y")), [false, false, true, true]);
    assert.equal(wants("dead-letter/#", "dead-letter/sink/main"), false, "never its own: it would feed on itself");
    assert.deepEqual(["#", "+/gateway", "audit/#"].map((pattern) => wants(pattern, "audit/gateway")), [false, false, true]);
  });
});
