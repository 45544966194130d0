import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "@busbar/core/testkit";
import { startExample } from "../../test/support/example.ts";

test("examples/agriculture waters dry fields, and what was measured while a link was down comes with its own time and moves no valve", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-agriculture-"));
  try {
    await using farm = await startExample("agriculture", {
      folder,
      changes: [
        [["plugins", "fields", "period"], "100ms"],
        [["plugins", "fields", "speed"], 4000],
        [["plugins", "fields", "outage"], { every: "4s", for: "2s" }],
        ...[0, 1].map((route) => [["routes", route, "steps", 1], { throttle: { every: "1s" } }] as const),
        ...[0, 1].map((route) => [["routes", route, "steps", 2, "set", "ttl"], "1s"] as const),
        [["routes", 2, "steps", 0, "anomaly", "missing", "for"], "1s"],
        [["routes", 4, "steps", 0, "windows", "size"], "2s"],
      ],
    });
    const valves = (open: boolean): readonly string[] => farm.heard.filter(({ type, payload }) => type === "ack" && JSON.stringify(payload).includes(`"result":{"valve":${open}}`)).map(({ from }) => from);
    await until("a valve was opened", () => valves(true).length > 0, { within: 60_000, show: () => farm.lines.slice(-10) });
    await until("it was closed when the soil was wet", () => valves(false).some((id) => valves(true).includes(id)), { within: 60_000 });
    const named = (event: string, state: string): readonly string[] => farm.heard.filter(({ type, payload }) => type === "event" && JSON.stringify(payload).includes(`"anomaly":"${event}","state":"${state}"`)).map(({ from }) => from);
    await until("a field that fell silent is told of, and that it is back", () => named("soil-10cm/missing", "raised").some((id) => named("soil-10cm/missing", "cleared").includes(id)), { within: 30_000 });
    const [silent] = named("soil-10cm/missing", "raised");
    await until("the soil as one figure", () => farm.heard.some(({ topic, payload }) => topic.startsWith("status/soil/") && JSON.stringify(payload).includes('"soil-10cm.mean"')), { within: 30_000 });

    const samples = farm.heard.filter(({ topic }) => topic === `status/${silent}`);
    const late = samples.filter(({ timestamp, received }) => received - timestamp > 1000);
    assert.ok(late.length >= 5, `${late.length} samples were measured while the link was down`);
    const times = samples.map(({ timestamp }) => timestamp);
    assert.deepEqual(times, [...times].sort((one, other) => one - other), "in the order in which they were measured");
    assert.ok(Math.max(...times.slice(1).map((time, at) => time - times[at]!)) < 1500, "and none is missing");
    const obeyed = new Set(farm.heard.filter(({ type, payload }) => type === "ack" && (payload as { readonly status: string }).status === "ok").map(({ payload }) => (payload as { readonly msgid: string }).msgid));
    for (const command of farm.heard.filter(({ type, msgid }) => type === "command" && obeyed.has(msgid))) assert.ok(command.received - command.timestamp <= 1000, "no command rests on what is long past");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
