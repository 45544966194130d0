import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { compilePlant } from "./compiled-plant.ts";
import { plantSchema } from "./plant.ts";
import { Simulation } from "./simulation.ts";
import { type HistoryQuery, TagHistory } from "./tag-history.ts";

function record(depth: number) {
  const simulation = new Simulation(compilePlant(v.parse(plantSchema, { machines: [{ id: "m", tags: [{ name: "n", kind: "int", range: [0, 1_000], signal: { kind: "counter", rate: 1 } }, { name: "c", signal: { kind: "constant", value: 5 } }] }] })), { start: 0 });
  const history = new TagHistory(simulation, depth);
  const read = (index: number, query: Partial<HistoryQuery> = {}) => {
    const slice = history.slice(index, { limit: 0, newest: false, ...query });
    return [...new Float64Array(slice.times)].map((time, k) => [time, new Float64Array(slice.values)[k], simulation.codes[new Uint16Array(slice.status)[k]!]]);
  };
  return { simulation, history, read };
}

test("TagHistory keeps the last values of each tag, and what has not changed once", () => {
  const { simulation, read } = record(3);
  for (let second = 1; second <= 5; second++) simulation.step(second * 1_000);
  assert.deepEqual(read(0), [[3_000, 3, "Good"], [4_000, 4, "Good"], [5_000, 5, "Good"]]);
  assert.deepEqual(read(1), [[1_000, 5, "Good"]]);
});

test("TagHistory gives what lies between two times, the first or the newest of it", () => {
  const { simulation, read } = record(100);
  for (let second = 1; second <= 5; second++) simulation.step(second * 1_000);
  const times = (query: Partial<HistoryQuery>) => read(0, query).map(([time]) => Number(time) / 1_000);
  assert.deepEqual(times({ from: 2_000, to: 4_000 }), [2, 3, 4]);
  assert.deepEqual(times({ from: 2_000, limit: 2 }), [2, 3]);
  assert.deepEqual(times({ to: 4_000, limit: 2, newest: true }), [3, 4]);
  assert.deepEqual(times({ from: 9_000 }), []);
});

test("TagHistory keeps status and the time of the source", () => {
  const { simulation, history, read } = record(100);
  simulation.step(1_000);
  simulation.impair(simulation.plant.tags[1]!, { code: "BadSensorFailure", stuck: false, shift: 500 });
  simulation.announce();
  assert.deepEqual(read(1), [[1_000, 5, "Good"], [1_500, 5, "BadSensorFailure"]]);
  history.close();
  simulation.step(2_000);
  assert.equal(read(0).length, 1);
});
