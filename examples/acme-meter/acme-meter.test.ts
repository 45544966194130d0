import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { testPlugin, type TestGateway } from "@busbar/core/testkit";
import acmeMeter from "./acme-meter.ts";

/** A meter on a real socket: says lines, hears lines. */
async function openMeter(gateway: TestGateway): Promise<{ say(line: string): void; hear(): Promise<string>; socket: Socket }> {
  const socket = connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1");
  await once(socket, "connect");
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  return { socket, say: (line) => void socket.write(line + "\n"), hear: async () => String((await lines.next()).value) };
}

test("acme-meter logs in, reports with qos 1, and obeys a command", async () => {
  await using gateway = await testPlugin(acmeMeter, { port: 0 });
  const meter = await openMeter(gateway);
  meter.say("LOGIN m-17 m-17");
  assert.equal(await meter.hear(), "HELLO");
  const reading = gateway.next("status/m-17");
  meter.say("READ 1 temperature=23.5 power=410");
  assert.equal(await meter.hear(), "OK 1");
  assert.deepEqual((await reading).payload, { temperature: 23.5, power: 410 });
  const answer = gateway.bus.request({ type: "command", to: "m-17", payload: { relay: "on" }, msgid: "c1", qos: 1 }, { signal: AbortSignal.timeout(20_000) });
  assert.equal(await meter.hear(), "SET c1 relay=on");
  meter.say("DONE c1");
  assert.deepEqual((await answer).payload, { msgid: "c1", status: "ok" });
  meter.socket.destroy();
});

test("acme-meter refuses a wrong token and a line that is none of the protocol", async () => {
  await using gateway = await testPlugin(acmeMeter, { port: 0 });
  for (const line of ["LOGIN m-17 someone-else", "HELLO THERE"]) {
    const meter = await openMeter(gateway);
    meter.say(line);
    meter.socket.resume();
    await once(meter.socket, "close");
  }
});
