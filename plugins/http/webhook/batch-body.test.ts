import assert from "node:assert/strict";
import { test } from "node:test";
import { journalMessage } from "@busbar/core/testkit";
import { formatBatch } from "./batch-body.ts";

const entries = [
  { offset: 5, message: journalMessage({ from: "plc-1", payload: { temperature: 23.5, name: "ü" }, msgid: "m1", timestamp: 1_750_000_000_000, qos: 1 }) },
  { offset: 9, message: journalMessage({ type: "event", from: "plc-1/door", payload: new Uint8Array([1, 2]), msgid: "m2", timestamp: 1_750_000_000_001 }) },
];

test("formatBatch() writes envelopes with their offsets and what they have in common", () => {
  assert.deepEqual(JSON.parse(formatBatch("envelopes", entries, { lane: "backfill", late: true })), {
    lane: "backfill",
    late: true,
    messages: [
      { ver: "1.0", msgid: "m1", timestamp: 1_750_000_000_000, from: "plc-1", to: "server", type: "status", payload: { temperature: 23.5, name: "ü" }, qos: 1, retain: false, offset: 5, late: true },
      { ver: "1.0", msgid: "m2", timestamp: 1_750_000_000_001, from: "plc-1/door", to: "server", type: "event", payload: { $base64: "AQI=" }, qos: 0, retain: false, offset: 9, late: true },
    ],
  });
});

test("formatBatch() writes a line each", () => {
  const lines = formatBatch("ndjson", entries, { lane: "live", late: false }).split("\n");
  assert.deepEqual(lines.map((line) => (line === "" ? "" : (JSON.parse(line) as { msgid: string; late?: boolean }).msgid)), ["m1", "m2", ""]);
  assert.ok(!lines[0]!.includes("late"));
});

test("formatBatch() writes CloudEvents 1.0 with all required attributes", () => {
  const [first, second] = JSON.parse(formatBatch("cloudevents", entries, { lane: "live", late: true })) as Record<string, unknown>[];
  assert.deepEqual(first, {
    specversion: "1.0", id: "m1", source: "/plc-1", type: "busbar.status", subject: "status/plc-1", time: "2025-06-15T15:06:40.000Z",
    busbaroffset: "5", busbarqos: 1, busbarlate: true, datacontenttype: "application/json", data: { temperature: 23.5, name: "ü" },
  });
  assert.equal(second!["data_base64"], "AQI=");
  assert.ok(!("data" in second!));
  for (const name of Object.keys({ ...first, ...second })) assert.match(name, /^[a-z0-9_]{1,20}$/);
});
