import assert from "node:assert/strict";
import { test } from "node:test";
import { commandFor } from "@busbar/core";
import { isGood, type Scenario } from "./scenario.ts";

/** Registers the short form of a scenario as a test, on the runtime under test. What fails says its seed. */
export function testScenario(scenario: Scenario): void {
  test(`${scenario.name} loses, doubles and reorders nothing`, { skip: scenario.missing?.() ?? false }, async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const figures = await scenario
      .run({ cycles: scenario.cycles.short, seed, runtime: { name: "the one under test", command: commandFor }, log: () => {}, outageMs: 3000 })
      .catch((error: unknown) => assert.fail(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`));
    const { problems, details, ...counts } = figures;
    assert.ok(isGood(figures), `seed ${seed}: ${JSON.stringify({ ...counts, ...details })}\n${problems.join("\n")}`);
    assert.ok(figures.acknowledged > 0 && figures.found >= figures.acknowledged, `seed ${seed}: ${JSON.stringify(counts)}`);
  });
}
