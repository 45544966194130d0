import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "@busbar/core/testkit";
import { startExample } from "../../test/support/example.ts";

test("examples/smart-grid reads 1,000 meters each second, finds faults, forecasts the load and sheds what is flexible", { timeout: 180_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-grid-"));
  try {
    await using grid = await startExample("smart-grid", {
      folder,
      changes: [
        [["plugins", "meters", "day"], "16s"], // a day in sixteen seconds: peaks, and seasons to learn from, within the test
        [["plugins", "meters", "faults"], { every: "2s", for: "6s" }],
        [["routes", 1, "steps", 0, "anomaly", "missing", "for"], "2500ms"],
        [["routes", 3, "steps", 1, "windows", "size"], "2s"],
        [["routes", 4, "steps", 0, "forecast"], { tags: ["load"], bucket: "1s", season: "16s", horizon: "5s" }],
        ...[5, 6].map((route) => [["routes", route, "steps", 1], { throttle: { every: "1s" } }] as const),
      ],
    });
    const meters = (): Map<string, number> => {
      const counts = new Map<string, number>();
      for (const { type, from } of grid.heard) if (type === "status" && from.includes("/meter-")) counts.set(from, (counts.get(from) ?? 0) + 1);
      return counts;
    };
    const events = (text: string): readonly string[] => grid.heard.filter(({ type, payload }) => type === "event" && JSON.stringify(payload).includes(text)).map(({ from }) => from);
    const look = { within: 60_000, turn: () => new Promise((resolve) => setTimeout(resolve, 250)), show: () => [meters().size, grid.lines.slice(-10)] }; // to look costs some milliseconds: a thousand messages come each second
    await until("every meter has reported five times", () => meters().size === 1000 && [...meters().values()].filter((count) => count >= 5).length >= 995, look);
    await until("a meter that fell silent", () => events('"anomaly":"energy/missing","state":"raised"').some((id) => id.includes("/meter-")), look);
    await until("a voltage that sagged", () => events('"alarm":"voltage/low","state":"raised"').length > 0, look);
    await until("power past the meters", () => events('"alarm":"losses/high","state":"raised"').some((id) => /^grid\/dcu-\d+$/.test(id)), look);
    const answers = (shed: boolean): number => grid.heard.filter(({ type, payload }) => type === "ack" && JSON.stringify(payload).includes(`"result":{"shed":${shed}}`)).length;
    await until("flexible loads are off, and on again", () => answers(true) > 0 && answers(false) > 0, look);
    const forecasts = (): readonly unknown[] => grid.heard.filter(({ topic }) => topic.startsWith("status/forecast/grid/"));
    await until("a forecast", () => forecasts().length > 0, look);
    const [forecast] = grid.heard.filter(({ topic }) => topic.startsWith("status/forecast/grid/"));
    const { values } = forecast!.payload as { readonly values: readonly { readonly tag: string; readonly value: number; readonly timestamp: number }[] };
    assert.deepEqual([...new Set(values.map(({ tag }) => tag))].sort(), ["load.forecast", "load.forecast.high", "load.forecast.low"]);
    assert.ok(values.every(({ timestamp }) => timestamp > forecast!.timestamp), "of times to come");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
