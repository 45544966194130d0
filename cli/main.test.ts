import assert from "node:assert/strict";
import { test } from "node:test";
import { catalog } from "./catalog.ts";
import manifest from "./package.json" with { type: "json" };
import { openFolder, runBusbar } from "./testing/busbar.ts";

test("busbar --version prints the version", async () => {
  await using folder = await openFolder();
  assert.deepEqual(await runBusbar(["--version"], { cwd: folder.path }), { code: 0, signal: null, stdout: `${manifest.version}\n`, stderr: "" });
});

test("busbar --help lists every command, without colours when stdout is no terminal", async () => {
  await using folder = await openFolder();
  const { code, stdout } = await runBusbar(["--help"], { cwd: folder.path });
  assert.equal(code, 0);
  for (const [name, { summary, example }] of Object.entries(catalog)) {
    assert.match(stdout, new RegExp(`^  ${name} +${summary.replace(/[()]/g, "\\$&")}$`, "m"));
    assert.ok(stdout.includes(example), example);
  }
  assert.ok(!stdout.includes("\u001b"));
});

for (const name of Object.keys(catalog)) {
  test(`busbar ${name} --help has its options and an example`, async () => {
    await using folder = await openFolder();
    const { code, stdout, stderr } = await runBusbar([name, "--help"], { cwd: folder.path });
    assert.deepEqual([code, stderr], [0, ""]);
    const { default: command } = await catalog[name]!.load();
    for (const option of [...Object.keys(command.options), "help"]) assert.match(stdout, new RegExp(`^  --${option}\\b`, "m"));
    assert.match(stdout, new RegExp(`^  (?:\\S.*\\| )?busbar ${name}\\b`, "m"));
  });
}

for (const [words, line] of [
  [["sart"], /^busbar: unknown command sart; did you mean "start"\? .*$/],
  [["--colour"], /^busbar: unknown option --colour; .*$/],
  [["check", "--jsno"], /^busbar: check: unknown option --jsno; did you mean --json\?$/],
  [["check", "-x"], /^busbar: check: unknown option -x; .*$/],
  [["check", "a", "b"], /^busbar: check: unexpected argument "b"$/],
  [["check", "--json=yes"], /^busbar: check: --json takes no value$/],
  [["token"], /^busbar: token: <id> is missing$/],
  [["token", "a", "--ttl"], /^busbar: token: --ttl needs a value$/],
  [["token", "a", "--ttl", "--user"], /^busbar: token: --ttl needs a value$/],
  [["token", "a", "--ttl", "soon"], /^busbar: token: --ttl must be a duration.*, not "soon"$/],
  [["token", "a", "--ttl", "1h", "--ttl", "2h"], /^busbar: token: --ttl is given twice$/],
  [["sim", "--protocol", "tpc"], /^busbar: sim: --protocol must be tcp or ws, not "tpc"; did you mean tcp\?$/],
  [["sim", "--count", "1.5"], /^busbar: sim: --count must be a whole number from 1 to 100000, not "1\.5"$/],
  [["tap", "status/#/x", "--token", "a"], /^busbar: tap: "status\/#\/x" is no topic pattern, .*$/],
  [["tap", "status/#"], /^busbar: no token: .*$/],
  [["send", "status", "1", "--replace", "k"], /^busbar: send: --replace is for commands$/],
  [["send", "command", "1", "--replace", "ü".repeat(33)], /^busbar: send: --replace is a key of 1 to 64 bytes$/],
  [["new", "plugni", "x"], /^busbar: new: cannot make a "plugni"; did you mean plugin\?$/],
] as const) {
  test(`busbar ${words.join(" ")} ends with 64 and one line`, async () => {
    await using folder = await openFolder();
    const { code, stdout, stderr } = await runBusbar(words, { cwd: folder.path });
    assert.match(stderr.trimEnd(), line);
    assert.deepEqual([code, stdout], [64, ""]);
  });
}
