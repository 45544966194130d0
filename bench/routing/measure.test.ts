import assert from "node:assert/strict";
import { it } from "node:test";
import { createRoutingBench } from "./measure.ts";

it("createRoutingBench() delivers each message to exactly one of its subscriptions, however many there are", async () => {
  for (const subscriptions of [10, 500]) {
    const bench = await createRoutingBench(subscriptions);
    assert.ok(bench.run(2000) > 0);
    await bench.stop();
  }
});
