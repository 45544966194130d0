import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLog, formatLogJson, formatLogText, type LogLevel, type LogRecord } from "./log.ts";
import { fakeClock } from "./testkit/fake-clock.ts";

function setUp(level?: LogLevel) {
  const lines: LogRecord[] = [];
  const clock = fakeClock();
  return { lines, clock, log: createLog({ ...(level && { level }), clock, write: (record) => lines.push(record), fields: { host: "h" } }) };
}

const record = (fields: Record<string, unknown>, message = "hello", level: LogLevel = "warn"): LogRecord => ({ time: Date.UTC(2026, 0, 2, 3, 4, 5, 6), level, message, fields });
const cycle: Record<string, unknown> = { a: 1 };
cycle["self"] = cycle;

describe("createLog()", () => {
  it("writes what matters enough", () => {
    for (const [level, wanted] of [["debug", ["debug", "info", "warn", "error"]], [undefined, ["info", "warn", "error"]], ["error", ["error"]]] as const) {
      const { log, lines } = setUp(level);
      for (const each of ["debug", "info", "warn", "error"] as const) log[each](each);
      assert.deepEqual(lines.map((line) => line.level), wanted);
    }
  });

  it("child() adds fields, and a line its own over them; an error stands for its text and causes", () => {
    const { log, lines, clock } = setUp();
    log.child({ plugin: "p", a: 1 }).child({ b: 2 }).warn("x", { a: 3, error: new Error("outer", { cause: new Error("inner") }) });
    assert.deepEqual(lines, [{ time: clock.now(), level: "warn", message: "x", fields: { host: "h", plugin: "p", a: 3, b: 2, error: "outer: inner" } }]);
  });

  it("writes the same message once a second and says how many were held back", async () => {
    const { log, lines, clock } = setUp();
    for (let at = 0; at < 5; at++) log.warn("same", { at });
    log.warn("other");
    log.error("same");
    log.child({}).warn("same");
    assert.deepEqual(lines.map((line) => [line.level, line.message]), [["warn", "same"], ["warn", "other"], ["error", "same"], ["warn", "same"]]);
    await clock.advance(999);
    log.warn("same");
    assert.equal(lines.length, 4);
    await clock.advance(1);
    log.warn("same", { at: 9 });
    assert.deepEqual(lines[4]!.fields, { host: "h", at: 9, repeated: 5 });
    await clock.advance(1000);
    log.warn("same");
    assert.equal("repeated" in lines[5]!.fields, false);
  });

  it("remembers a bounded number of messages", () => {
    const { log, lines } = setUp();
    for (let at = 0; at < 3000; at++) log.info(`message ${at}`);
    assert.equal(lines.length, 3000);
  });
});

describe("formatLogJson()", () => {
  const read = (fields: Record<string, unknown>, message?: string): unknown => JSON.parse(formatLogJson(record(fields, message)));

  it("is one line of JSON with time, level, message and the fields", () => {
    assert.equal(formatLogJson(record({ a: 1, b: "ü" })), '{"time":"2026-01-02T03:04:05.006Z","level":"warn","message":"hello","a":1,"b":"ü"}');
    assert.deepEqual(read({ n: 5n, deep: [{ n: 2n ** 64n }] }), { time: "2026-01-02T03:04:05.006Z", level: "warn", message: "hello", n: "5", deep: [{ n: "18446744073709551616" }] });
  });

  it("lets no field forge a line", () => {
    const text = formatLogJson(record({ a: 'x"\n{"level":"error"}\u0000' }, "one\ntwo"));
    assert.equal(text.split("\n").length, 1);
    assert.deepEqual(read({ time: 0, level: "debug", message: "forged", a: 1 }), { time: "2026-01-02T03:04:05.006Z", level: "warn", message: "hello", a: 1 });
  });

  it("escapes what JSON leaves as it is though it moves a terminal's cursor, or turns the order of what is read", () => {
    const said = { a: "\u007f\u009b2J\u0085", b: "\u202edrawkcab\u2066\ufeff", "\u200bc": "ü€😀" };
    const line = formatLogJson(record(said));
    assert.match(line, /^[^\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$/);
    assert.deepEqual(JSON.parse(line), { time: "2026-01-02T03:04:05.006Z", level: "warn", message: "hello", ...said });
  });

  it("never throws, whatever the fields", () => {
    for (const value of [cycle, { toJSON: () => { throw new Error("no"); } }, Symbol("x"), () => 1, undefined, Object.create(null)]) assert.equal((read({ value }) as { message: string }).message, "hello");
  });
});

describe("formatLogText()", () => {
  it("names time, level unless it is info, plugin, message and fields", () => {
    assert.equal(formatLogText(record({ plugin: "mqtt", a: 1, b: "plain", c: "two words", d: 'q"', e: { x: 1 }, f: undefined, n: 5n })), '03:04:05.006 WARN [mqtt] hello a=1 b=plain c="two words" d="q\\"" e={"x":1} f=undefined n=5');
    assert.equal(formatLogText(record({}, "hello", "info")), "03:04:05.006 hello");
  });

  it("escapes what would move a terminal's cursor or begin another line", () => {
    const text = formatLogText(record({ "a\nb": "x\u001b[2J\r\n\u0085\u2028\u009b" }, "one\ntwo\u0007"));
    assert.match(text, /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/);
    assert.ok(text.includes("one\\u000atwo\\u0007"));
  });

  it("never throws, whatever the fields", () => {
    for (const value of [cycle, { n: 5n }, { toJSON: () => { throw new Error("no"); } }, Symbol("x"), () => 1, Object.create(null)]) assert.match(formatLogText(record({ value })), /hello value=/);
  });
});
