import assert from "node:assert/strict";
import { test } from "node:test";
import { openStep } from "@busbar/core/testkit";
import fc from "fast-check";
import { edgeSteps } from "./plugin.ts";

/** Steps whose outcome depends on messages only, not on when they come. */
const configs: readonly (readonly [name: string, config: object])[] = [
  ["deadband", { absolute: 3, heartbeat: "20ms" }], ["deadband", { percent: 20, late: "drop" }], ["debounce", { for: "15ms" }], ["batch", { count: 4, every: "1d" }], ["in-order", {}],
  ["map", { set: { sum: "tags.a + tags.b" } }], ["where", { if: "tags.a > 5.0" }],
];

const message = fc.record({ tag: fc.constantFrom("a", "b"), value: fc.integer({ min: 0, max: 12 }), time: fc.integer({ min: 1, max: 100 }), quality: fc.constantFrom("good", "good", "bad") });

for (const [name, config] of configs) {
  test(`${name} ${JSON.stringify(config)} emits the same whether or not it was restarted in between`, () => {
    fc.assert(fc.property(fc.array(message, { maxLength: 40 }), fc.array(fc.nat({ max: 39 }), { maxLength: 3 }), (messages, restarts) => {
      const run = (at: readonly number[]): unknown[] => {
        let step = openStep(edgeSteps[name]!, config);
        const emitted: unknown[] = [];
        for (const [index, { tag, value, time, quality }] of messages.entries()) {
          if (at.includes(index)) {
            emitted.push(...step.emitted);
            step = step.restart();
          }
          step.send({ msgid: `m-${index}`, timestamp: time, payload: { values: [{ tag, value, quality }] } });
        }
        emitted.push(...step.emitted);
        step.close();
        assert.equal(step.clock.timers, 0);
        return emitted.map((one) => JSON.stringify(one, ["topic", "msgid", "timestamp", "qos", "retain"]) + JSON.stringify((one as { payload: unknown }).payload));
      };
      assert.deepEqual(run(restarts), run([]));
    }), { numRuns: 60 });
  });
}
