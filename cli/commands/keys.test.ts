import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openFolder, runBusbar, smallConfig, startGateway } from "../testing/busbar.ts";

test("busbar keys, send --seal --sign and tap --open: a sealed and signed message goes through a gateway that requires signatures, and only its reader reads it", async () => {
  const messageKey = "the message key of sensor-1, of 32 bytes or more";
  const config = smallConfig.replace("    roles:\n", `    messageKeys: { sensor-1: [{ key: ${JSON.stringify(messageKey)} }] }\n    roles:\n`).replace("http: { port: 0 }", "http: { port: 0, signed: require }");
  await using folder = await openFolder({ "busbar.yaml": config });
  const cwd = folder.path;
  await writeFile(join(cwd, "sensor.key"), `${messageKey}\n`);
  await using gateway = await startGateway(cwd);
  const ws = ["--url", gateway.urls.get("WebSocket")!];
  const made = await runBusbar(["keys", "new", "reader.jwk"], { cwd });
  assert.equal(made.code, 0, made.stderr);
  await writeFile(join(cwd, "reader.pub.jwk"), made.stdout);
  const [secret, open] = [JSON.parse(await readFile(join(cwd, "reader.jwk"), "utf8")), JSON.parse(made.stdout)] as [Record<string, string>, Record<string, string>];
  const { d, ...rest } = secret;
  assert.ok(d !== undefined && d.length > 40);
  assert.deepEqual(open, rest);
  if (process.platform !== "win32") assert.equal((await stat(join(cwd, "reader.jwk"))).mode & 0o777, 0o600);
  assert.equal((await runBusbar(["keys", "public", "reader.jwk"], { cwd })).stdout, made.stdout);

  const send = (...more: readonly string[]) => runBusbar(["send", "status", '{"pulse":61}', "--from", "sensor-1", ...more, ...ws], { cwd });
  assert.equal((await send()).code, 77);
  assert.equal((await send("--sign", "reader.jwk")).code, 77);
  const sent = await send("--sign", "sensor.key", "--seal", "reader.pub.jwk");
  assert.equal(sent.code, 0, sent.stderr);
  const tap = async (...more: readonly string[]) => (JSON.parse((await runBusbar(["tap", "status/#", "--since", "0", "--count", "1", "--json", ...more, ...ws], { cwd })).stdout) as { readonly payload: object }).payload;
  assert.deepEqual(await tap("--open", "reader.jwk"), { pulse: 61 });
  assert.deepEqual(Object.keys(await tap()), ["$sealed"]);
});

test("busbar keys overwrites no key, and says what is no key", async () => {
  await using folder = await openFolder({ "reader.jwk": "{}", "short.key": "short" });
  const cwd = folder.path;
  assert.deepEqual(await runBusbar(["keys", "new", "reader.jwk"], { cwd }).then(({ code, stderr }) => [code, stderr]), [74, 'busbar: keys: cannot write "reader.jwk": it is there already\n']);
  assert.equal((await runBusbar(["keys", "public", "reader.jwk"], { cwd })).code, 65);
  assert.equal((await runBusbar(["keys", "public", "none.jwk"], { cwd })).code, 74);
  assert.equal((await runBusbar(["keys", "spoil", "reader.jwk"], { cwd })).code, 64);
  assert.equal((await runBusbar(["send", "status", "1", "--token", "x", "--sign", "short.key"], { cwd })).code, 64);
});
