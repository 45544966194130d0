import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, lose, scriptedServer } from "./testing/scripted-server.ts";
import { assertOnceInOrder, deliver, msgids, numbers, settled, startWebhook as start } from "./testing/webhook-gateway.ts";

test("webhook halves what is too large, and a message that is alone too large becomes a dead letter", async () => {
  await using server = await scriptedServer();
  server.otherwise = (request, response, incoming) => answer(request.body.length > 1500 ? 413 : 200)(request, response, incoming);
  await using gateway = await start(server);
  const letters: string[] = [];
  gateway.bus.subscribe("dead-letter/#", (message) => void letters.push((message.payload as { message: { msgid: string } }).message.msgid));
  await deliver(gateway.bus, 40);
  await gateway.bus.deliver({ type: "status", msgid: "huge", from: "plc-0", payload: { n: 1000, text: "x".repeat(2000) } });
  await deliver(gateway.bus, 10, { from: 40 });
  await server.until(() => numbers(server.taken).length === 50 && letters.length === 1);
  assertOnceInOrder(server.taken, 50);
  assert.deepEqual(letters, ["huge"]);
});

test("webhook finds the one message that the server refuses, and only that one becomes a dead letter", async () => {
  await using server = await scriptedServer();
  server.otherwise = (request, response, incoming) => answer(msgids([request]).includes("status-57") ? 422 : 200, {}, "unit unknown")(request, response, incoming);
  await using gateway = await start(server);
  const letters: { reason: string; message: { msgid: string } }[] = [];
  gateway.bus.subscribe("dead-letter/#", (message) => void letters.push(message.payload as (typeof letters)[number]));
  await deliver(gateway.bus, 100);
  await server.until(() => numbers(server.taken).length === 99 && letters.length === 1);
  assertOnceInOrder(server.taken, 99);
  assert.equal(letters[0]!.message.msgid, "status-57");
  assert.match(letters[0]!.reason, /answered 422: unit unknown/);
});

test("webhook believes an answer that names what it refuses", async () => {
  await using server = await scriptedServer();
  server.otherwise = (request, response, incoming) => {
    const refused = request.messages.filter(({ msgid }) => msgid.endsWith("3")).map(({ msgid }) => ({ msgid, reason: "unlucky" }));
    answer(refused.length > 5 ? 422 : 200, {}, JSON.stringify({ refused }))(request, response, incoming);
  };
  await using gateway = await start(server, { batch: { count: 100, linger: 200 } });
  const letters: string[] = [];
  gateway.bus.subscribe("dead-letter/#", (message) => void letters.push((message.payload as { reason: string; message: { msgid: string } }).message.msgid));
  await deliver(gateway.bus, 100);
  await server.until(() => letters.length === 10);
  assert.deepEqual(letters.sort(), Array.from({ length: 10 }, (_, at) => `status-${at === 0 ? 3 : at * 10 + 3}`).sort());
  await settled(() => gateway.metric("busbar_webhook_messages_total") === 90);
});

test("webhook repeats the same request, with the same key, when its answer is lost after an earlier one had named what is refused", async () => {
  await using server = await scriptedServer();
  const named = answer(422, {}, JSON.stringify({ refused: [{ msgid: "status-2", reason: "no such tag" }, { msgid: "status-4", reason: "no such unit" }] }));
  server.script = [named, lose];
  await using gateway = await start(server, { batch: { count: 6, linger: 10_000 } });
  const letters: { reason: string; message: { msgid: string } }[] = [];
  gateway.bus.subscribe("dead-letter/#", (message) => void letters.push(message.payload as (typeof letters)[number]));
  await deliver(gateway.bus, 6);
  await server.until(() => letters.length === 2);
  const [whole, lost, again, ...more] = server.requests;
  assert.deepEqual(msgids([whole!]), ["status-0", "status-1", "status-2", "status-3", "status-4", "status-5"]);
  assert.deepEqual(msgids([lost!]), ["status-0", "status-1", "status-3", "status-5"]);
  assert.deepEqual([again!.headers["idempotency-key"], again!.body, more], [lost!.headers["idempotency-key"], lost!.body, []]);
  assert.deepEqual(letters.map(({ reason, message }) => [message.msgid, reason]), [["status-2", "no such tag"], ["status-4", "no such unit"]]);
});
