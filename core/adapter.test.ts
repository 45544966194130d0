import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { defineAdapter } from "./adapter.ts";
import { lineFraming } from "./framing/line.ts";
import type { AnyPlugin } from "./plugin.ts";
import { testPlugin, type TestGateway } from "./testkit/test-plugin.ts";

/** Devices say their id, or `ok <msgid>`; they are told the msgid of a command. */
const lines = (answers?: boolean): AnyPlugin => defineAdapter({
  name: "lines",
  description: "Lines of text",
  port: 0,
  framing: lineFraming(),
  ...(answers === undefined ? {} : { answers }),
  codec: () => ({
    decode(frame) {
      const [word = "", msgid] = Buffer.from(frame).toString().split(" ");
      return msgid === undefined ? { type: "status", from: word, payload: 1 } : { answer: { msgid } };
    },
    encode: ({ msgid }) => Buffer.from(msgid),
  }),
});

/** A device that has said who it is. */
async function connected(context: TestContext, gateway: TestGateway): Promise<Socket> {
  const socket = connect(Number(new URL(gateway.urls[0]!).port), "127.0.0.1").setEncoding("utf8");
  context.after(() => socket.destroy());
  const known = gateway.next("status/d-1");
  socket.write("d-1\n");
  await known;
  return socket;
}

const give = (gateway: TestGateway, msgid: string) => gateway.bus.request({ type: "command", to: "d-1", msgid, qos: 1, payload: 1 }, { signal: AbortSignal.timeout(20_000) });

test("defineAdapter() counts a command as done, unconfirmed, when it is handed to a device that does not answer", async (context) => {
  await using gateway = await testPlugin(lines(), { port: 0 });
  const socket = await connected(context, gateway);
  const told = once(socket, "data");
  assert.deepEqual((await give(gateway, "c")).payload, { msgid: "c", status: "ok", result: { unconfirmed: true } });
  assert.deepEqual(await told, ["c\n"]);
});

test("defineAdapter() waits for the answer of a device that gives one", async (context) => {
  await using gateway = await testPlugin(lines(true), { port: 0 });
  const socket = await connected(context, gateway);
  const answer = give(gateway, "c");
  assert.deepEqual(await once(socket, "data"), ["c\n"]);
  socket.write("ok c\n");
  assert.deepEqual((await answer).payload, { msgid: "c", status: "ok" });
});

test("defineAdapter() logs an answer that its author did not announce", async (context) => {
  await using gateway = await testPlugin(lines(), { port: 0 });
  const socket = await connected(context, gateway);
  const next = gateway.next("status/d-2");
  socket.write("ok c\nd-2\n");
  await next;
  assert.ok(gateway.log.some(({ message, fields }) => message === "session failed on a frame" && String(fields["error"]).includes("answers: true")));
});
