import assert from "node:assert/strict";
import { test } from "node:test";
import { createFixture, problemIn } from "./app-fixture.ts";

const status = (value: number, more: object = {}): object => ({ type: "status", payload: { values: [{ tag: "t", value, unit: "°C" }] }, ...more });

test("POST /api/messages publishes at qos 0 and says the msgid, without an offset", async () => {
  const { call, parts } = await createFixture();
  const seen: string[] = [];
  parts.bus.subscribe("status/#", (message) => void seen.push(`${message.topic} ${message.from} ${message.msgid}`));
  const response = await call("/api/messages", { token: "dev:#", body: status(1, { from: "dev/a" }) });
  assert.equal(response.status, 200);
  const answer = (await response.json()) as { msgid: string };
  assert.deepEqual(Object.keys(answer), ["msgid"]);
  assert.deepEqual(seen, [`status/dev/a dev/a ${answer.msgid}`]);
});

/* Offset 1 is the kernel's own audit entry: the gateway has started. */

test("POST /api/messages answers qos 1 with the offset once it is durable, and a known msgid with the same one", async () => {
  const { call } = await createFixture();
  const send = async (): Promise<unknown> => (await call("/api/messages", { token: "dev:#", body: status(1, { qos: 1, msgid: "m1" }) })).json();
  assert.deepEqual(await send(), { msgid: "m1", offset: 2 });
  assert.deepEqual(await send(), { msgid: "m1", offset: 2, duplicate: true });
});

test("POST /api/messages takes an array in order", async () => {
  const { call } = await createFixture();
  const body = [status(1, { qos: 1, msgid: "a" }), status(2), status(3, { qos: 2, msgid: "c" })];
  const answer = (await (await call("/api/messages", { token: "dev:#", body })).json()) as { msgid: string; offset?: number }[];
  assert.deepEqual([answer[0], answer[2]], [{ msgid: "a", offset: 2 }, { msgid: "c", offset: 3 }]);
  assert.equal(answer[1]!.offset, undefined);
});

test("POST /api/messages names what of an array was refused and what was accepted", async () => {
  const { call } = await createFixture();
  const body = [status(1, { qos: 1, msgid: "a" }), status(2, { qos: 1, msgid: "b", from: "other" }), status(3, { qos: 1 })];
  const response = await call("/api/messages", { token: "dev:#", body });
  assert.equal(response.status, 403);
  const { errors, accepted, detail } = await problemIn(response);
  assert.deepEqual(accepted, [{ index: 0, msgid: "a", offset: 2 }]);
  assert.deepEqual(errors.map((error: { index: number; code: string }) => [error.index, error.code]), [[1, "FORBIDDEN"], [2, "BAD_FRAME"]]);
  assert.match(detail, /^2 of 3 messages were refused: /);
});

test("POST /api/messages refuses an array with a malformed item as a whole, naming the place", async () => {
  const { call } = await createFixture();
  const response = await call("/api/messages", { token: "dev:#", body: [status(1, { qos: 1, msgid: "a" }), { type: "NO", payload: 1 }] });
  assert.equal(response.status, 422);
  assert.equal((await problemIn(response))["errors"][0].at, "body.1.type");
  assert.deepEqual(await (await call("/api/messages?topic=status/dev", { token: "dev:#" })).json(), { messages: [] });
});

test("POST /api/messages refuses another identity, a topic without the right, qos 1 without msgid, another major version", async () => {
  const { call } = await createFixture();
  const code = async (token: string, body: object): Promise<unknown> => {
    const response = await call("/api/messages", { token, body });
    return [response.status, (await problemIn(response))["code"]];
  };
  assert.deepEqual(await code("home-7:#", status(1, { from: "home-70" })), [403, "FORBIDDEN"]);
  assert.deepEqual(await code("dev:event/#", status(1)), [403, "FORBIDDEN"]);
  assert.deepEqual(await code("dev:#", status(1, { qos: 1 })), [422, "BAD_FRAME"]);
  assert.deepEqual(await code("dev:#", status(1, { ver: "2.0" })), [422, "BAD_FRAME"]);
});

test("POST /api/messages refuses what is no JSON, too deep, no UTF-8, too large, or of another media type", async () => {
  const { call } = await createFixture({ config: { bodyLimit: "1KiB" } });
  const of = async (options: object): Promise<number> => {
    const response = await call("/api/messages", { token: "dev:#", ...options });
    await problemIn(response);
    return response.status;
  };
  assert.equal(await of({ text: "{" }), 400);
  assert.equal(await of({ text: `{"type":"status","payload":${"[".repeat(100)}${"]".repeat(100)}}` }), 422);
  assert.equal(await of({ body: status(1), headers: { "content-type": "text/plain" } }), 415);
  assert.equal(await of({ body: status(1), headers: { "content-encoding": "gzip" } }), 415);
  assert.equal(await of({ body: { ...status(1), msgid: "x".repeat(2000) } }), 413);
});

test("POST /api/messages carries bytes as $base64", async () => {
  const { call } = await createFixture();
  await call("/api/messages", { token: "dev:#", body: { type: "raw", payload: { $base64: "AAEC" }, qos: 1, msgid: "b" } });
  const { messages } = (await (await call("/api/messages?topic=raw/%23", { token: "dev:#" })).json()) as { messages: { payload: unknown; offset: number; ver: string }[] };
  assert.deepEqual(messages.map(({ payload, offset, ver }) => ({ payload, offset, ver })), [{ payload: { $base64: "AAEC" }, offset: 2, ver: "1.0" }]);
});

test("GET /api/messages pages through the history with a cursor", async () => {
  const { call } = await createFixture();
  await call("/api/messages", { token: "dev:#", body: [1, 2, 3].map((value) => status(value, { qos: 1, msgid: `m${value}`, timestamp: value * 1000 })) });
  const page = async (query: string): Promise<{ ids: string[]; next: string | undefined }> => {
    const body = (await (await call(`/api/messages?topic=status/%2B&${query}`, { token: "dev:#" })).json()) as { messages: { msgid: string }[]; next?: string };
    return { ids: body.messages.map(({ msgid }) => msgid), next: body.next };
  };
  const first = await page("limit=2");
  assert.deepEqual(first.ids, ["m1", "m2"]);
  assert.deepEqual(await page(`limit=2&cursor=${first.next}`), { ids: ["m3"], next: undefined });
  assert.deepEqual((await page("since=2000&until=3000")).ids, ["m2"]);
});

test("GET /api/messages wants the right to the whole pattern, and a sound query", async () => {
  const { call } = await createFixture();
  const of = async (query: string, token: string): Promise<number> => (await call(`/api/messages${query}`, { token })).status;
  assert.equal(await of("?topic=status/home-7/%23", "app:status/home-7/#"), 200);
  assert.equal(await of("?topic=status/%23", "app:status/home-7/#"), 403);
  assert.equal(await of("", "app:status/home-7/#"), 403);
  for (const query of ["?topic=a%23", "?limit=0", "?limit=10001", "?limit=ten", "?since=-1", "?cursor=nonsense", "?form=1"]) assert.equal(await of(query, "app:#"), 400, query);
});

test("GET /api/audit wants the right to audit/#", async () => {
  const { call, parts } = await createFixture();
  await parts.bus.deliver({ type: "audit", payload: { action: "login" }, qos: 1 });
  assert.equal((await call("/api/audit", { token: "app:status/#" })).status, 403);
  const { messages } = (await (await call("/api/audit", { token: "auditor:audit/#" })).json()) as { messages: { payload: unknown }[] };
  assert.deepEqual(messages.map(({ payload }) => (payload as { action: string }).action), ["started", "login"]);
});

test("GET /api/messages without a storage plugin says so", async () => {
  const { call } = await createFixture({ storeless: true });
  const response = await call("/api/messages", { token: "app:#" });
  assert.equal(response.status, 503);
  assert.match((await problemIn(response))["detail"], /no storage plugin/);
});
