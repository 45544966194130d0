import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketEdges, checkTimeZone, parseBucket, suitableBucket } from "./bucket-edges.ts";

const hour = 3_600_000;
const day = 24 * hour;

function edgesOf(text: string, since: string | number, until: string | number, timezone?: string): readonly string[] {
  const range = { since: new Date(since).getTime(), until: new Date(until).getTime(), timezone, limit: 1000 };
  return bucketEdges(parseBucket(text)!, range).edges.map((edge) => new Date(edge).toISOString().replace(/:00\.000Z$/, ""));
}

test("bucketEdges() gives whole buckets around the range", () => {
  assert.deepEqual(edgesOf("15m", "2026-03-01T10:07:00Z", "2026-03-01T10:30:00Z"), ["2026-03-01T10:00", "2026-03-01T10:15", "2026-03-01T10:30"]);
  assert.deepEqual(edgesOf("1d", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00.001Z"), ["2026-03-01T00:00", "2026-03-02T00:00", "2026-03-03T00:00"]);
  assert.deepEqual(edgesOf("1w", "2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z"), ["2026-02-23T00:00", "2026-03-02T00:00", "2026-03-09T00:00"], "weeks begin on Monday");
  assert.deepEqual(edgesOf("3mo", "2026-03-01T12:00:00Z", "2026-04-01T12:00:00Z"), ["2026-01-01T00:00", "2026-04-01T00:00", "2026-07-01T00:00"]);
  assert.deepEqual(edgesOf("1y", "2024-03-01T12:00:00Z", "2025-02-01T12:00:00Z"), ["2024-01-01T00:00", "2025-01-01T00:00", "2026-01-01T00:00"]);
  assert.deepEqual(edgesOf("1m", 5, 5), []);
});

test("bucketEdges() lets days begin at midnight in a zone, also when its clocks change", () => {
  assert.deepEqual(edgesOf("1d", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", "Europe/Berlin"), ["2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"]);
  assert.deepEqual(edgesOf("1d", "2026-10-24T12:00:00Z", "2026-10-25T23:30:00Z", "Europe/Berlin"), ["2026-10-23T22:00", "2026-10-24T22:00", "2026-10-25T23:00", "2026-10-26T23:00"]);
  assert.deepEqual(edgesOf("1mo", "2026-03-10T00:00:00Z", "2026-04-10T00:00:00Z", "America/New_York"), ["2026-03-01T05:00", "2026-04-01T04:00", "2026-05-01T04:00"]);
  assert.deepEqual(edgesOf("1d", "2026-03-01T00:00:00Z", "2026-03-01T19:00:00Z", "+05:30"), ["2026-02-28T18:30", "2026-03-01T18:30", "2026-03-02T18:30"]);
  assert.deepEqual(edgesOf("6h", "2026-03-01T00:00:00Z", "2026-03-01T02:00:00Z", "Asia/Kathmandu"), ["2026-02-28T18:15", "2026-03-01T00:15", "2026-03-01T06:15"]);
});

test("bucketEdges() always ascends, holds the range, and goes on where a page ends", () => {
  for (const text of ["1ms", "7s", "1h", "1d", "1w", "1mo", "1y", "100000y", "100000d"]) {
    for (const timezone of [undefined, "Europe/Berlin", "Pacific/Apia", "America/Sao_Paulo", "-11:00"]) {
      for (const since of [0, 1_325_000_000_000, 1_750_000_000_000, 8_000_000_000_000_000]) {
        const bucket = parseBucket(text)!;
        const { edges, next } = bucketEdges(bucket, { since, until: since + 400 * day, timezone, limit: 20 });
        const what = `${text} from ${since} in ${timezone}`;
        assert.ok(edges.length >= 1 && edges.length <= 21 && edges.every((edge, at) => Number.isSafeInteger(edge) && (at === 0 || edge > edges[at - 1]!)), `${what}: ${edges}`);
        assert.ok(edges[0]! <= Math.max(since, 0), what);
        if (next !== undefined) assert.equal(bucketEdges(bucket, { since: next, until: next + 1, timezone, limit: 20 }).edges[0], next, what);
      }
    }
  }
});

test("parseBucket() and checkTimeZone() refuse what is none", () => {
  for (const text of ["", "m", "0s", "1", "1.5h", "-1h", "1 h", "100001s", "1000000s", "1H"]) assert.equal(parseBucket(text), undefined, text);
  for (const name of ["Europe/Berlin", "UTC", "+05:30", "-08:00"]) assert.equal(checkTimeZone(name), true, name);
  for (const name of ["", "Mars/Base", "+99:00", "local"]) assert.equal(checkTimeZone(name), false, name);
});

test("suitableBucket() is the smallest round one that is wide enough", () => {
  const table: readonly [number, string][] = [[0, "1ms"], [1, "1ms"], [86_400, "2m"], [hour, "1h"], [hour + 1, "2h"], [8 * day, "1mo"], [1e15, "1y"]];
  for (const [width, text] of table) assert.equal(suitableBucket(width).text, text);
});
