import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { denoProgram, nodeProgram } from "../../../bench/machine/runtimes.ts";

for (const [runtime, command] of [["node", [nodeProgram, "--expose-gc"]], ["deno", [denoProgram, "run", "-A", "--no-check", "--v8-flags=--expose-gc"]]] as const) {
  test(`HeapWatch on ${runtime} sees what is never given back, and nothing in what is`, () => {
    const script = new URL("./heap-watch-program.ts", import.meta.url).pathname;
    const [program, ...args] = command;
    const { stdout, stderr } = spawnSync(program, [...args, script], { encoding: "utf8", timeout: 60_000 });
    assert.equal(stdout, "leaking: growth\nclean: none\n", stderr);
  });
}
