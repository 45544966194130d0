import assert from "node:assert/strict";
import { test } from "node:test";
import { defineStep, type Step, type StepContext } from "@busbar/core";
import { openStep, type StepUnderTest } from "@busbar/core/testkit";
import * as v from "valibot";
import { SeriesStates } from "./series-states.ts";

type Numbers = SeriesStates<{ sum: number }>;

/** A step that holds states and does nothing else. */
function open(limit = 100, options: { readonly kept?: ReturnType<StepUnderTest["kept"]>; readonly anyConfig?: boolean; readonly forgotten?: string[] } = {}): { readonly states: Numbers; readonly step: StepUnderTest } {
  let states: Numbers | undefined;
  const definition = defineStep({
    description: "test",
    config: v.strictObject({ limit: v.number() }),
    create(config, context: StepContext): Step {
      states = new SeriesStates(context, {
        limit: config.limit,
        create: () => ({ sum: 0 }),
        save: ({ sum }) => sum,
        load: (saved) => (typeof saved === "number" ? { sum: saved } : undefined),
        forget: ({ topic, tag }) => void options.forgotten?.push(`${topic} ${tag}`),
      });
      states.keep({ anyConfig: options.anyConfig ?? false });
      return () => {};
    },
  });
  const step = openStep(definition, { limit }, options.kept ? { kept: options.kept } : {});
  return { states: states!, step };
}

test("SeriesStates gives each tag of each topic a state of its own", () => {
  const { states } = open();
  states.of("a", "t").state.sum = 1;
  states.of("b", "t").state.sum = 2;
  assert.deepEqual([states.of("a", "t").state.sum, states.of("b", "t").state.sum, states.of("a", "u").state.sum, states.size, states.find("c", "t")], [1, 2, 0, 3, undefined]);
});

test("SeriesStates.admit() takes samples in order, those of the same time included, and nothing older", () => {
  const { states } = open();
  const series = states.of("a", "t");
  assert.deepEqual([1000, 1000, 900, 1001, 1000].map((time) => states.admit(series, time)), [true, true, false, true, false]);
  assert.equal(series.newest, 1001);
});

test("SeriesStates.admit() does not let a clock that ran ahead silence a series", () => {
  const { states, step } = open();
  const series = states.of("a", "t");
  const now = step.clock.now();
  assert.equal(states.admit(series, now), true);
  assert.equal(states.admit(series, now + 3_600_000), true);
  assert.equal(series.newest, now + 60_000);
  assert.equal(states.admit(series, now + 60_001), true);
});

test("SeriesStates forgets a tenth, of those that were quiet longest, and says so", () => {
  const forgotten: string[] = [];
  const { states, step } = open(20, { forgotten });
  for (let tag = 0; tag < 20; tag++) states.of("a", `t${tag}`);
  states.of("a", "t0");
  states.of("b", "new");
  assert.deepEqual([states.size, forgotten, step.counted("series-forgotten")], [19, ["a t1", "a t2"], 2]);
  assert.ok(states.find("a", "t0") && states.find("b", "new"));
});

test("SeriesStates.keep() brings states and times back, and leaves out what cannot be read", () => {
  const first = open();
  first.states.of("a", "t").state.sum = 7;
  first.states.admit(first.states.of("a", "t"), 5000);
  first.states.of("a", "u");
  const kept = first.step.kept();
  const second = open(100, { kept });
  assert.deepEqual([second.states.of("a", "t").state.sum, second.states.of("a", "t").newest, second.states.of("a", "u").newest], [7, 5000, Number.NEGATIVE_INFINITY]);
  const [place] = Object.keys(kept);
  for (const state of ["odd", [["a"]], [["a", "t", 1, "no number"]]]) assert.equal(open(100, { kept: { [place!]: { ...kept[place!]!, state } } }).states.size, 0);
});

test("SeriesStates.keep() takes a state of another config only where it is told to", () => {
  const first = open();
  first.states.of("a", "t").state.sum = 7;
  const kept = first.step.kept();
  assert.equal(open(99, { kept }).states.size, 0);
  assert.equal(open(99, { kept, anyConfig: true }).states.of("a", "t").state.sum, 7);
});
