import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import { until } from "@busbar/core/testkit";
import { openFolder, runBusbar, smallConfig, startGateway, type Ended } from "../testing/busbar.ts";

interface Posted {
  readonly messages: readonly { readonly offset: number; readonly payload: unknown }[];
}

/** A gateway with a webhook whose server has refused so many messages, and `busbar dead` for it. The server takes everything once it is mended. */
async function openGateway(count: number) {
  const taken: unknown[] = [];
  let mended = false;
  const server = createServer(async (request, response) => {
    const { messages } = (await json(request)) as Posted;
    if (mended) taken.push(...messages.map(({ payload }) => payload));
    response.setHeader("content-type", "application/json").end(JSON.stringify({ refused: mended ? [] : messages.map(({ offset }) => ({ offset, reason: "no such\ntag" })) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const folder = await openFolder({ "busbar.yaml": `${smallConfig}  upstream: { use: http/webhook, url: "http://127.0.0.1:${port}/", topics: ["status/#"], batch: { linger: 10ms } }\n` });
  const gateway = await startGateway(folder.path);
  const url = gateway.urls.get("HTTP API")!;
  const run = async (...words: string[]): Promise<Ended> => await runBusbar([...words, "--url", url], { cwd: folder.path });
  const { stdout } = await runBusbar(["token", "plc-1", "--role", "admin"], { cwd: folder.path });
  const headers = { authorization: `Bearer ${stdout.trim()}`, "content-type": "application/json" };
  const messages = Array.from({ length: count }, (_, at) => ({ type: "status", msgid: `m-${at + 1}`, qos: 1, payload: { at: at + 1 } }));
  const response = await fetch(new URL("/api/messages", url), { method: "POST", headers, body: JSON.stringify(messages) });
  assert.equal(response.status, 200, await response.text());
  const letters = async (): Promise<readonly { readonly id: string; readonly reader: string }[]> => {
    const page = await fetch(new URL("/api/dead-letters?limit=1000", url), { headers });
    return ((await page.json()) as { deadLetters: { id: string; reader: string }[] }).deadLetters;
  };
  await until("so many dead letters", async () => (await letters()).length === count);
  return {
    run,
    letters,
    taken,
    mend: () => void (mended = true),
    dead: (...words: string[]) => run("dead", ...words),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("busbar dead list prints what sinks refused, all pages of it, as lines or as JSON", async () => {
  await using gateway = await openGateway(600);
  const [{ id, reader }] = (await gateway.letters()) as [{ id: string; reader: string }];
  const { code, stdout } = await gateway.dead("list", "--reader", reader);
  const lines = stdout.trimEnd().split("\n");
  assert.deepEqual([code, lines.length], [0, 600]);
  const [name, time, of, topic, payload, ...reason] = lines[0]!.split(/ +/);
  assert.deepEqual([name, of, topic, payload], [id, reader, "status/plc-1", '{"at":1}']);
  assert.match(time!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.match(reason.join(" "), /no such tag$/);
  const listed = await gateway.dead("list", "--json");
  const letters = listed.stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as { id: string; message: { payload: { at: number } } });
  assert.deepEqual(letters.map(({ message }) => message.payload.at), Array.from({ length: 600 }, (_, at) => at + 1));
  assert.equal((await gateway.dead("list", "--reader", "upstream/other")).stdout, "no dead letters\n");
});

test("busbar dead replay hands them to their sink again, drop forgets them; both say how many there were", async () => {
  await using gateway = await openGateway(5);
  const ids = (await gateway.letters()).map(({ id }) => id);
  gateway.mend();
  assert.equal((await gateway.dead("replay", "--id", ids[0]!, "--id", ids[1]!, "--id", "unknown")).stdout, "2 dead letters on the way to their readers again\n");
  await until("two are taken", () => gateway.taken.length === 2);
  assert.deepEqual(gateway.taken, [{ at: 1 }, { at: 2 }]);
  await until("three are left", async () => (await gateway.letters()).length === 3);
  assert.equal((await gateway.dead("drop", "--id", ids[0]!, "--json")).stdout, '{"count":0}\n');
  assert.equal((await gateway.dead("drop", "--id", ids[2]!)).stdout, "1 dead letter dropped\n");
  assert.equal((await gateway.dead("drop", "--all")).stdout, "2 dead letters dropped\n");
  assert.equal((await gateway.dead("list")).stdout, "no dead letters\n");
  const { stdout } = await gateway.run("tap", "audit/http", "--since", "0", "--count", "4", "--json");
  const actions = stdout.trimEnd().split("\n").map((line) => (JSON.parse(line) as { payload: { action: string; count: number; by: string } }).payload);
  assert.deepEqual(actions.map(({ action, count, by }) => [action, count, by]), [["dead-letter-replay", 2, "busbar-dead"], ["dead-letter-drop", 0, "busbar-dead"], ["dead-letter-drop", 1, "busbar-dead"], ["dead-letter-drop", 2, "busbar-dead"]]);
});

test("busbar dead ends with 64 for what it does not understand, 77 where it may not, and 69 where nobody listens", async () => {
  await using gateway = await openGateway(1);
  for (const words of [["show"], ["replay"], ["drop"], ["drop", "--all", "--reader", "a/b"], ["list", "--all"], ["list", "--reader", "a b"]]) assert.equal((await gateway.dead(...words)).code, 64, words.join(" "));
  for (const words of [["list"], ["drop", "--all"]]) assert.equal((await gateway.dead(...words, "--role", "device")).code, 77, words.join(" "));
  const { code, stderr } = await runBusbar(["dead", "list", "--url", "http://127.0.0.1:9", "--token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIiwiYXVkIjoiYnVzYmFyIn0.c2lnbmF0dXJl"], { cwd: "." });
  assert.deepEqual([code, stderr.trimEnd().split("\n").length], [69, 1], stderr);
});
