import assert from "node:assert/strict";
import { it } from "node:test";
import { LatencyRecorder } from "./latency.ts";

it("LatencyRecorder.summary() gives percentiles in microseconds within 0.1 %", () => {
  const recorder = new LatencyRecorder();
  recorder.begin(0);
  for (let i = 1; i <= 10_000; i++) recorder.record(1000, 1000 + i / 1000);
  const { p50, p99, p999, max } = recorder.summary();
  for (const [value, expected] of [[p50, 5000], [p99, 9900], [p999, 9990], [max, 10_000]] as const) {
    assert.ok(Math.abs(value - expected) <= expected * 0.001, `${value} is not ${expected}`);
  }
});

it("LatencyRecorder.record() leaves out what was due before begin()", () => {
  const recorder = new LatencyRecorder();
  recorder.record(5, 10);
  recorder.begin(100);
  recorder.record(99, 5000);
  recorder.record(100, 101);
  assert.ok(Math.abs(recorder.summary().max - 1000) <= 1);
});

it("LatencyRecorder.summary() is all zero when nothing was recorded", () => {
  assert.deepEqual(new LatencyRecorder().summary(), { p50: 0, p99: 0, p999: 0, max: 0 });
});
