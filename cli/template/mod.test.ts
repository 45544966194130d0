import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { testPlugin } from "@busbar/core/testkit";
import plugin from "./mod.ts";

test("my-protocol publishes a line as a status of the device", async () => {
  await using gateway = await testPlugin(plugin, { port: 0 });
  const message = gateway.next("status/meter-1");
  const socket = connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1");
  socket.end("meter-1 temperature 21.5\n");
  assert.deepEqual((await message).payload, { temperature: 21.5 });
});

test("my-protocol counts a line that is none and goes on", async () => {
  await using gateway = await testPlugin(plugin, { port: 0 });
  const message = gateway.next("status/#");
  const socket = connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1");
  socket.end("what?\nmeter-2 voltage 230\n");
  assert.equal((await message).from, "meter-2");
  assert.equal(gateway.metric("busbar_lines_refused_total"), 1);
});
