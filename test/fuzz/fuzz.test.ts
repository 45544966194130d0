import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { readCorpus } from "./corpus.ts";
import type { FuzzTarget } from "./engine/fuzz-target.ts";
import { fuzz } from "./engine/fuzz.ts";
import { findTarget, targets } from "./targets.ts";

/** The short form of `npm run test:fuzz`. */
const executions = 4000;
const time = 400;
const seed = Math.floor(Math.random() * 2 ** 31);

test("every folder of the corpus belongs to a parser, and every parser has one name", () => {
  for (const folder of readdirSync(new URL("./corpus", import.meta.url))) findTarget(folder);
  assert.equal(new Set(targets.map(({ name }) => name)).size, targets.length);
});

for (const target of targets) {
  test(`${target.name}: ${target.about}`, async () => {
    const begun = performance.now();
    const { failure, growth, executions: done } = await fuzz(target, { seed, executions, corpus: readCorpus(target.name), over: () => performance.now() - begun > time });
    if (failure) throw new Error(`seed ${seed}: ${Buffer.from(failure.input).toString("base64")} (base64)`, { cause: failure.error });
    assert.equal(growth, undefined);
    assert.ok(done >= Math.min(256, target.seeds.length));
  });
}

test("fuzz() finds a parser that fails, gives its input, and finds it again with the same seed", async () => {
  const picky: FuzzTarget = {
    name: "picky", about: "fails on two bytes that follow each other", seeds: [Uint8Array.of(1, 2, 3)],
    open: () => (bytes) => {
      for (let at = 1; at < bytes.length; at++) if (bytes[at - 1] === 0xff && bytes[at] === 0x41) throw new Error("found");
      return String(bytes.length);
    },
  };
  const [one, two] = [await fuzz(picky, { seed: 5, executions: 1_000_000 }), await fuzz(picky, { seed: 5, executions: 1_000_000 })];
  assert.match(String(one.failure?.error), /found/);
  assert.deepEqual(one.failure?.input, two.failure?.input);
});

test("fuzz() sees what is added to the prototype of all objects", async () => {
  const prototype = Object.prototype as unknown as Record<string, unknown>;
  const polluting: FuzzTarget = { name: "polluting", about: "adds a property to all objects", seeds: [Uint8Array.of(1)], open: () => () => ((prototype["polluted"] = 1), "done") };
  try {
    const { failure } = await fuzz(polluting, { seed: 1, executions: 10 });
    assert.match(String(failure?.error), /polluted/);
  } finally {
    delete prototype["polluted"];
  }
});
