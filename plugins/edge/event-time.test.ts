import assert from "node:assert/strict";
import { test } from "node:test";
import type { StepDefinition } from "@busbar/core";
import { fakeClock, openStep, testPlugin } from "@busbar/core/testkit";
import fc from "fast-check";
import { alarmsStep } from "./alarms-step.ts";
import { anomalyStep } from "./anomaly-step.ts";
import { forecastStep } from "./forecast-step.ts";
import { edge } from "./plugin.ts";

const limits = { lowLow: -15, low: -10, high: 10, highHigh: { limit: 15, onDelay: 0 }, hysteresis: 3, onDelay: "2s", offDelay: "3s", bad: true, suppress: { tag: "off", is: true } };
const steps: Readonly<Record<string, readonly [StepDefinition, object]>> = {
  alarms: [alarmsStep, { tags: { flow: { ...limits, latch: true } }, chattering: { count: 4, within: "10s" } }],
  anomaly: [anomalyStep, { tags: ["flow"], zScore: { warmUp: 5, threshold: 2 }, rate: { rise: 8, fall: 8 }, flat: { for: "3s", within: 1 }, missing: { for: "5s" }, action: "event" }],
  forecast: [forecastStep, { tags: ["flow"], bucket: "1s", season: "4s", horizon: "3s", history: 20, refit: 6 }],
};

interface Told {
  readonly topic: string;
  readonly timestamp: number;
  readonly msgid: string;
  readonly payload: { readonly id?: string };
}

/** Samples with a second or more between them, and what befalls them on the way. */
const sample = fc.record({
  gap: fc.integer({ min: 1, max: 7 }),
  value: fc.integer({ min: -20, max: 20 }),
  quality: fc.constantFrom("good", "good", "good", "bad"),
  off: fc.option(fc.boolean()),
  late: fc.option(fc.integer({ min: 2, max: 20 })),
  restart: fc.boolean(),
});

for (const [name, [definition, config]] of Object.entries(steps)) {
  test(`${name} says the same whether or not late samples come and the gateway is restarted in between`, async (t) => {
    const gateway = await testPlugin(edge, {}); // its bus is there for commands and the status
    t.after(() => gateway.stop());
    await fc.assert(
      fc.asyncProperty(fc.array(sample, { minLength: 5, maxLength: 40 }), async (samples) => {
        const run = async (troubled: boolean): Promise<Told[]> => {
          const clock = fakeClock();
          const told: Told[] = [];
          let newest = 0;
          let step = openStep(definition, config, { clock, bus: gateway.bus, name });
          const take = (): void => void told.push(...step.emitted.splice(0).map(({ topic, timestamp, msgid, payload }) => ({ topic, timestamp, msgid, payload: payload as Told["payload"] })));
          for (const { gap, value, quality, off, late, restart } of samples) {
            await clock.advance(gap * 1000);
            const time = clock.now();
            step.send({ from: "pump-1", timestamp: time, payload: { values: [...(off === null ? [] : [{ tag: "off", value: off }]), { tag: "flow", value, quality }] } });
            if (quality === "good") newest = time;
            if (troubled && late !== null && newest > 0) step.send({ from: "pump-1", timestamp: newest - late * 1000, payload: { values: [{ tag: "flow", value: 1000 }, ...(off === null ? [] : [{ tag: "off", value: !off }])] } });
            await clock.advance(500);
            take();
            if (troubled && restart) step = step.restart();
          }
          await clock.advance(60_000);
          take();
          step.close();
          return told.sort((one, other) => one.timestamp - other.timestamp || (one.payload.id ?? "").localeCompare(other.payload.id ?? "")); // what falls due in the same millisecond may come in any order
        };
        assert.deepEqual(await run(true), await run(false));
      }),
      { numRuns: 40 },
    );
  });
}
