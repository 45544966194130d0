import assert from "node:assert/strict";
import { test } from "node:test";
import { commandFor } from "@busbar/core";
import { cutPower } from "./disk-image.ts";
import type { DiskEvent } from "./disk-trace.ts";
import { powerCut, tryPowerCuts } from "./power-cut.ts";
import { createRandom } from "./random.ts";
import { testScenario } from "./short-form.ts";

testScenario(powerCut);

test("power-cut finds out a storage that does not sync what it acknowledges", { skip: powerCut.missing!() ?? false }, async () => {
  const figures = await tryPowerCuts({ cycles: 5, seed: 1, runtime: { name: "the one under test", command: commandFor }, log: () => {} }, { careless: true });
  assert.ok(figures.lost > 0, JSON.stringify(figures));
});

const bytes = (letter: string, length: number): Buffer => Buffer.alloc(length, letter);

test("cutPower() keeps what was synced, and of what was written later any sectors, each as it was at some moment", () => {
  const before = new Map([["log", bytes("a", 1024)]]);
  const events: DiskEvent[] = [
    { what: "write", file: 0, at: 0, bytes: bytes("b", 1024) },
    { what: "sync", file: 0, upTo: 1 },
    { what: "write", file: 0, at: 512, bytes: bytes("c", 1024) },
    { what: "write", file: 0, at: 512, bytes: bytes("d", 1024) },
  ];
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const log = cutPower(before, events, { moment: events.length, random: createRandom(seed) }).get("log")!.toString("latin1");
    assert.match(log, /^b{512}(b{512}|c{512}|d{512})(?:\0{512}|c{512}|d{512})?$/s);
    seen.add([...log].filter((_, at) => at % 512 === 0).join(""));
  }
  for (const image of ["bb", "bdd", "bbd", "bd", "bdc", "bcd"]) assert.ok(seen.has(image), `${image} is none of ${[...seen].join(" ")}`);
  assert.equal(cutPower(before, events, { moment: 0, random: createRandom(1) }).get("log")!.toString(), "a".repeat(1024));
});

test("cutPower() undoes what was done to names after the last sync of the folder, from the end", () => {
  const before = new Map([["old", bytes("o", 10)]]);
  const events: DiskEvent[] = [
    { what: "make", path: "new", file: 1 },
    { what: "write", file: 1, at: 0, bytes: bytes("n", 10) },
    { what: "sync", file: 1, upTo: 2 },
    { what: "sync-folder", upTo: 3 },
    { what: "remove", path: "old" },
    { what: "rename", from: "new", to: "old" },
  ];
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const image = cutPower(before, events, { moment: events.length, random: createRandom(seed) });
    seen.add([...image].map(([name, content]) => `${name}=${content.toString()[0]}`).sort().join(" "));
  }
  assert.deepEqual([...seen].sort(), ["new=n", "new=n old=o", "old=n"]);
});
