import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePort, until } from "@busbar/core/testkit";
import { startExample } from "../../test/support/example.ts";

test("examples/edge-cloud thins at the edge, brings all of it to the cloud through cuts of the line, and commands back", { timeout: 180_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "busbar-edge-"));
  try {
    for (const name of ["edge", "cloud"]) await mkdir(join(folder, name));
    await using cloud = await startExample("edge-cloud", { folder: join(folder, "cloud"), file: "cloud.yaml" });
    const near = await freePort();
    await using edge = await startExample("edge-cloud", {
      folder: join(folder, "edge"),
      file: "edge.yaml",
      changes: [
        [["plugins", "line"], { use: "./link.ts", port: near, to: Number(new URL(cloud.url("Console")).port), cut: { every: "5s", for: "2s" } }],
        [["plugins", "cloud", "url"], `ws://127.0.0.1:${near}/ws`],
        [["plugins", "cloud", "reconnect"], { min: "50ms", max: "300ms" }],
        [["plugins", "plant", "period"], "200ms"],
        [["routes", 1, "steps", 0, "windows", "size"], "1s"],
      ],
    });
    const cuts = (): number => edge.lines.filter((line) => line.includes("is cut")).length;
    await until("the line was cut twice, and held again", () => cuts() >= 2 && edge.lines.filter((line) => line.includes("holds again")).length >= 2, { within: 60_000, show: () => edge.lines });

    const sent = edge.heard.filter(({ topic }) => topic.startsWith("status/minute/") || topic.startsWith("status/changes/"));
    assert.ok(sent.length > 50, `${sent.length} messages for the cloud`);
    const arrived = (): Set<string> => new Set(cloud.heard.filter(({ topic }) => topic.startsWith("status/plant-1/")).map(({ from, msgid }) => `${from} ${msgid}`));
    await until("all of it is in the cloud", () => sent.every(({ from, msgid }) => arrived().has(`plant-1/${from} ${msgid}`)), { within: 60_000, show: () => [sent.length, arrived().size] });
    const inCloud = cloud.heard.filter(({ topic }) => topic.startsWith("status/plant-1/"));
    assert.equal(arrived().size, inCloud.length, "each once");
    const times = new Map(sent.map(({ from, msgid, timestamp }) => [`plant-1/${from} ${msgid}`, timestamp]));
    for (const { from, msgid, timestamp } of inCloud) if (times.has(`${from} ${msgid}`)) assert.equal(timestamp, times.get(`${from} ${msgid}`), "with its own time");
    const readings = (topics: RegExp): number => edge.heard.reduce((sum, { topic, payload }) => sum + (topics.test(topic) ? ((payload as { readonly values?: readonly unknown[] }).values?.length ?? 0) : 0), 0);
    const [all, changes] = [readings(/^status\/[\w-]+$/), readings(/^status\/changes\//)];
    assert.ok(changes < all * 0.7, `of ${all} readings ${changes} are changes`);

    const answer = await cloud.kernel.bus.request({ type: "command", from: "operator", to: "plant-1/lamp-1", payload: { on: true }, msgid: "switch-1", qos: 1 }, { signal: AbortSignal.timeout(30_000) });
    assert.equal((answer.payload as { readonly status: string }).status, "ok");
    await until("the lamp at the edge is on", () => edge.heard.some(({ topic, payload }) => topic === "status/lamp-1" && (payload as { readonly on?: boolean }).on === true));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
