import assert from "node:assert/strict";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import { errorText } from "@busbar/core";
import { openFolder } from "../testing/busbar.ts";
import { isBefore, parseMoment } from "./moment.ts";
import { compareOutcome } from "./outcome-comparison.ts";
import { paced } from "./pace.ts";
import { createRecording, readRecording, type RecordedMessage, type RecordingHeader } from "./recording-file.ts";

const header: RecordingHeader = { busbar: "recording", version: 1, started: 1, pattern: "#", source: "here" };
const message = (at: number, more: Partial<RecordedMessage> = {}): RecordedMessage => ({ msgid: `m${at}`, timestamp: 1_750_000_000_000 + at, from: "plc-1", to: "server", type: "status", payload: { at }, qos: 1, retain: false, ...more });

async function collect(path: string): Promise<{ readonly messages: readonly RecordedMessage[]; readonly warnings: readonly string[] }> {
  const messages: RecordedMessage[] = [];
  const warnings: string[] = [];
  for await (const one of readRecording(path, (text) => warnings.push(text))) messages.push(one);
  return { messages, warnings };
}

for (const name of ["r.jsonl", "r.jsonl.gz"]) {
  test(`readRecording() reads what createRecording() wrote, also an end that was cut off: ${name}`, async () => {
    await using folder = await openFolder();
    const path = join(folder.path, name);
    const recording = await createRecording(path, header);
    const wanted = Array.from({ length: 500 }, (_, at) => message(at, { payload: { text: "ü\n\u2028".repeat(at % 5) } }));
    for (const one of wanted) await recording.write(one);
    await recording.write({ gap: { from: 0, to: 1000 } });
    await recording.close();
    const whole = await collect(path);
    assert.deepEqual(whole.messages, wanted);
    assert.deepEqual(whole.warnings, ["the recorder was not connected from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:01.000Z: messages of qos 0 may be missing"]);
    await truncate(path, (await readFile(path)).length - 60);
    const cut = await collect(path);
    assert.ok(cut.messages.length > 400 && cut.messages.every((one, at) => one.msgid === `m${at}`));
    await assert.rejects(createRecording(path, header), (error: unknown) => /EEXIST/.test(errorText(error)));
  });
}

test("readRecording() refuses what is no recording, and names the line", async () => {
  await using folder = await openFolder();
  const refused: readonly (readonly [string, RegExp])[] = [
    ["", /it is empty/],
    ["{}\n", /it is no recording of version 1/],
    [JSON.stringify({ ...header, version: 2 }) + "\n", /it is no recording of version 1/],
    [`${JSON.stringify(header)}\n{"msgid":"a"}\n${JSON.stringify(message(1))}\n`, /line 2 is no envelope/],
  ];
  for (const [text, reason] of refused) {
    const path = join(folder.path, "x.jsonl");
    await writeFile(path, text);
    await assert.rejects(collect(path), reason);
  }
  await assert.rejects(collect(join(folder.path, "none")), /Cannot read/);
});

test("paced() keeps the original spacing at any speed, without drift, and plays the past at once", async () => {
  for (const speed of [0.1, 1, 100]) {
    const clock = fakeClock();
    const began = clock.now();
    const signal = new AbortController().signal;
    const times: number[] = [];
    async function* input(): AsyncGenerator<RecordedMessage> {
      for (const at of [0, 100, 100, 350, 300, 1000]) yield message(at);
    }
    const playing = (async () => {
      for await (const _ of paced(input(), { clock, speed, rate: Number.POSITIVE_INFINITY, signal }, () => {})) times.push(clock.now() - began);
    })();
    for (let step = 0; step < 30; step++) await clock.advance(50 / speed);
    await playing;
    assert.deepEqual(times.map((ms) => Math.round(ms * speed)), [0, 100, 100, 350, 350, 1000], `speed ${speed}`);
  }
});

test("paced() holds to a rate", async () => {
  const clock = fakeClock();
  const began = clock.now();
  const times: number[] = [];
  async function* input(): AsyncGenerator<RecordedMessage> {
    for (let at = 0; at < 5; at++) yield message(0);
  }
  const playing = (async () => {
    for await (const _ of paced(input(), { clock, speed: Number.POSITIVE_INFINITY, rate: 10, signal: new AbortController().signal }, () => {})) times.push(clock.now() - began);
  })();
  await clock.advance(1000);
  await playing;
  assert.deepEqual(times, [0, 100, 200, 300, 400]);
});

test("parseMoment() reads offsets, times and spans, and isBefore() compares", () => {
  assert.deepEqual(parseMoment("#12"), { kind: "offset", offset: 12 });
  assert.deepEqual(parseMoment("+1.5m"), { kind: "elapsed", ms: 90_000 });
  assert.deepEqual(parseMoment("2026-11-21T08:00:00Z"), { kind: "time", ms: Date.UTC(2026, 10, 21, 8) });
  for (const text of ["", "12", "#", "#-1", "+5", "+5y", "tomorrow", "2026-99-99"]) assert.equal(parseMoment(text), undefined, text);
  const first = 1_750_000_000_000;
  assert.ok(isBefore(message(10, { offset: 11 }), parseMoment("#12")!, first));
  assert.ok(!isBefore(message(10, { offset: 12 }), parseMoment("#12")!, first));
  assert.ok(isBefore(message(999), parseMoment("+1s")!, first) && !isBefore(message(1000), parseMoment("+1s")!, first));
});

test("compareOutcome() finds the first difference of each topic", () => {
  const a = [message(1, { payload: { x: 1, y: 2 } }), message(2), message(3, { from: "b" })];
  assert.deepEqual(compareOutcome(a, [message(9, { payload: { y: 2, x: 1 } }), message(2), message(3, { from: "b" })]), []);
  assert.deepEqual(compareOutcome(a, [message(1, { payload: 0 }), message(2), message(4, { from: "c" })]), [
    'status/b: 1 messages came, expected 0; the first too many is {"at":3}',
    'status/c: message 1 is missing, expected {"at":4}',
    'status/plc-1: message 1 is {"x":1,"y":2}, expected 0',
  ]);
});
