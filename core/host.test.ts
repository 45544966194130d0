import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { BusbarError } from "./errors.ts";
import { commandFor, exitCodeOf, mayColour } from "./host.ts";

// runKernel and createStderrLog are tested by cli/commands/start.test.ts: they need a process of their own.

for (const [what, error, code] of [
  ["a port that is taken", new BusbarError("UNAVAILABLE", "Cannot listen"), 69],
  ["a wrong config", new BusbarError("CONFIG", "Cannot use"), 78],
  ["a disk that is full", new BusbarError("IO", "Cannot write"), 74],
  ["a token that is refused", new BusbarError("UNAUTHENTICATED", "Cannot log in"), 77],
  ["a bug", new TypeError("x is not a function"), 70],
  ["a system error that nobody translated", Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE" }), 69],
  ["a system error below another error", new BusbarError("INTERNAL", "setup failed", { cause: Object.assign(new Error("open ENOENT"), { code: "ENOENT" }) }), 74],
  ["something that is no error", "oops", 70],
] as const) {
  test(`exitCodeOf() gives ${code} for ${what}`, () => assert.equal(exitCodeOf(error), code));
}

test("mayColour() says no when NO_COLOR is set, when the terminal is dumb, and when there is none", () => {
  const { NO_COLOR, TERM } = process.env;
  try {
    delete process.env["NO_COLOR"];
    process.env["TERM"] = "xterm";
    assert.deepEqual([mayColour({ isTTY: true }), mayColour({ isTTY: false }), mayColour({})], [true, false, false]);
    process.env["TERM"] = "dumb";
    assert.equal(mayColour({ isTTY: true }), false);
    Object.assign(process.env, { TERM: "xterm", NO_COLOR: "1" });
    assert.equal(mayColour({ isTTY: true }), false);
  } finally {
    for (const [name, value] of Object.entries({ NO_COLOR, TERM })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});

test("commandFor() starts with the runtime of this process and ends with the file", () => {
  const command = commandFor("x.ts");
  assert.deepEqual([command[0], command.at(-1)], [process.execPath, "x.ts"]);
});
