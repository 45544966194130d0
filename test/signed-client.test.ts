import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openAuthority, testPlugin } from "@busbar/core/testkit";
import http from "@busbar/http";
import { withoutBarePython, barePython } from "./support/python.ts";

const run = async (...args: readonly string[]): Promise<string> => (await promisify(execFile)(barePython!, [fileURLToPath(new URL("signed-client.py", import.meta.url)), ...args], { timeout: 20_000, env: { ...process.env, PYTHONIOENCODING: "utf-8" } })).stdout.trim();

test("Python's own library makes the macs of docs/signed-messages.json", { skip: withoutBarePython }, async () => {
  assert.equal(await run(fileURLToPath(new URL("../docs/signed-messages.json", import.meta.url))), "9");
});

test("a client with nothing but Python's own library signs a message that is taken; a repetition is known, an altered one refused", { skip: withoutBarePython }, async () => {
  const key = "the key of python-3, of 32 bytes or more";
  await using gateway = await testPlugin(http, { port: 0, signed: "require" }, { authority: openAuthority({ messageKeys: { "python-3": [key] } }) });
  const seen: unknown[] = [];
  gateway.bus.subscribe("status/#", ({ payload }) => void seen.push(payload));
  assert.equal(await run(gateway.urls[0]!, "python-3", "python-3", key), "200 200 403 403");
  assert.deepEqual(seen, [{ temperature: 21.5, room: "Küche", on: true, list: [1, null] }]);
});
