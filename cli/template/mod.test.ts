import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { testPlugin } from "@busbar/core/testkit";
import plugin from "./mod.ts";

test("my-protocol publishes a line as a status of the device", async () => {
  await using gateway = await testPlugin(plugin, { port: 0 });
  const message = gateway.next("status/meter-1");
  connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1").end("meter-1 temperature 21.5\n");
  assert.deepEqual((await message).payload, { temperature: 21.5 });
});

test("my-protocol refuses a line that is none and goes on", async () => {
  await using gateway = await testPlugin(plugin, { port: 0 });
  const message = gateway.next("status/#");
  connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1").end("what?\nmeter-2 voltage 230\n");
  assert.equal((await message).from, "meter-2");
});

test("my-protocol hands a command to the device and brings its answer back", async () => {
  await using gateway = await testPlugin(plugin, { port: 0 });
  const socket = connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1");
  const known = gateway.next("status/meter-3");
  socket.write("meter-3 power 0\n");
  await known;
  const answer = gateway.bus.request({ type: "command", to: "meter-3", payload: { on: true } }, { signal: AbortSignal.timeout(20_000) });
  const [line] = (await once(socket.setEncoding("utf8"), "data")) as [string];
  const [, msgid, command] = /^! (\S+) meter-3 (.*)\n$/.exec(line)!;
  assert.deepEqual(JSON.parse(command!), { on: true });
  socket.end(`ok ${msgid}\n`);
  assert.deepEqual((await answer).payload, { msgid, status: "ok" });
});
