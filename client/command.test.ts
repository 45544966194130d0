import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "@busbar/core/testkit";
import type { ClientError } from "./client-error.ts";
import { memoryStore } from "./memory-store.ts";
import { openGateway } from "./testing/gateway.ts";
import { openClient, transports } from "./testing/transports.ts";

for (const over of transports) {
  test(`request() over ${over} gives commands and gets their answers, each carried out once while connections are cut at random`, async () => {
    await using gateway = await openGateway();
    await using device = openClient(gateway, { id: "lamp-1", over, store: memoryStore() });
    await using app = openClient(gateway, { id: "app", over });
    const ran: unknown[] = [];
    const cuts = new Set<ReturnType<typeof setTimeout>>();
    device.onCommand(async ({ payload }) => {
      ran.push(payload);
      // Cut by what has been done, not by the clock: a busy machine would never get anything through.
      if (Math.random() < 0.2) cuts.add(setTimeout(() => gateway.cut(), Math.random() * 10));
      await new Promise((resolve) => setTimeout(resolve, 2));
      return { did: payload };
    });
    await Promise.all([device.connected, app.connected]);
    try {
      const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => app.request({ to: "lamp-1", payload: n })));
      assert.deepEqual(answers.map(({ from, status, result }) => [from, status, result]), Array.from({ length: 60 }, (_, n) => ["lamp-1", "ok", { did: n }]));
    } finally {
      for (const cut of cuts) clearTimeout(cut);
    }
    assert.deepEqual(ran, Array.from({ length: 60 }, (_, n) => n), "in order, once");
  });
}

test("onCommand() is never called twice for one msgid, also when the device restarts before its answer has arrived", async () => {
  await using gateway = await openGateway();
  const store = memoryStore();
  const ran: string[] = [];
  const command = (msgid: string) => gateway.gateway.bus.deliver({ type: "command", to: "lamp-1", msgid, from: "anna", payload: 1, qos: 1, expires: Date.now() + 600_000 });
  const answers = (msgid: string): unknown[] => gateway.seen.filter(({ type, payload }) => type === "ack" && (payload as { msgid: string }).msgid === msgid).map(({ payload }) => payload);
  {
    const first = openClient(gateway, { id: "lamp-1", store });
    first.onCommand(({ msgid }) => {
      ran.push(msgid);
      gateway.stall(true); // the answer does not get through
      return "done before";
    });
    await command("c-1");
    await until("carried out", () => ran.length === 1);
    await first.saved();
    await first.close();
    assert.deepEqual(answers("c-1"), []);
  }
  gateway.cut();
  gateway.stall(false);
  {
    const second = openClient(gateway, { id: "lamp-1", store });
    second.onCommand(({ msgid }) => {
      ran.push(msgid);
      return new Promise(() => {}); // and dies while it is at it
    });
    await until("answered from the store", () => answers("c-1").length === 1);
    await command("c-2");
    await until("begun", () => ran.length === 2);
    await second.close();
  }
  await using third = openClient(gateway, { id: "lamp-1", store });
  third.onCommand(({ msgid }) => void ran.push(msgid));
  await until("answered", () => answers("c-2").length === 1);
  assert.deepEqual(ran, ["c-1", "c-2"]);
  assert.deepEqual(answers("c-1"), [{ msgid: "c-1", status: "ok", result: "done before" }]);
  assert.equal((answers("c-2")[0] as { status: string }).status, "error", "nobody knows whether it was carried out");
});

test("onCommand() answers with an error what its handler throws, and tells of it", async () => {
  await using gateway = await openGateway();
  await using device = openClient(gateway, { id: "lamp-1" });
  await using app = openClient(gateway, { id: "app" });
  const problems: string[] = [];
  device.on("problem", ({ code }) => problems.push(code));
  device.onCommand(() => {
    throw new Error("the bulb is broken");
  });
  const { status, result } = await app.request({ to: "lamp-1", payload: 1 });
  assert.deepEqual([status, result, problems], ["error", "the bulb is broken", ["HANDLER"]]);
});

test("onCommand() aborts the signal of a command whose deadline has passed, and does not begin one that is late", async () => {
  await using gateway = await openGateway();
  await using device = openClient(gateway, { id: "lamp-1" });
  const ran: unknown[] = [];
  let aborted = false;
  device.onCommand(async ({ payload }, { signal }) => {
    ran.push(payload);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    aborted = true;
  });
  await device.connected;
  const expires = Date.now() + 300;
  for (const payload of ["first", "second"]) await gateway.gateway.bus.deliver({ type: "command", to: "lamp-1", from: "anna", payload, qos: 1, expires });
  await until("aborted", () => aborted);
  await gateway.gateway.bus.deliver({ type: "command", to: "lamp-1", from: "anna", payload: "third", qos: 1, expires: Date.now() + 300 });
  await until("the next one", () => ran.length === 2);
  assert.deepEqual(ran, ["first", "third"]);
});

test("request() takes no answer of somebody whom the command is not for", async () => {
  await using gateway = await openGateway();
  await using app = openClient(gateway, { id: "app" });
  await app.connected;
  for (const [to, liars, from] of [["lamp-1", ["thief", "lamp", "lamp-10"], "lamp-1/left"], ["group/hall", [], "fan-1"]] as const) {
    const answer = app.request({ to, payload: 1, msgid: `to ${to}` });
    await until("it is given", () => gateway.seen.some(({ msgid }) => msgid === `to ${to}`));
    for (const one of [...liars, from]) await gateway.gateway.bus.deliver({ type: "ack", from: one, to: "app", msgid: `${one} to ${to}`, payload: { msgid: `to ${to}`, status: "ok", result: one }, qos: 1 });
    assert.deepEqual(await answer, { msgid: `to ${to}`, from, status: "ok", result: from });
  }
});

test("request() rejects when nobody answers, when its signal aborts, and when the client is closed", async () => {
  await using gateway = await openGateway();
  await using app = openClient(gateway, { id: "app" });
  const stop = new AbortController();
  const aborted = app.request({ to: "nobody", payload: 1 }, { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  await assert.rejects(app.request({ to: "nobody", payload: 1 }, { ttl: 10 }), (error: ClientError) => error.code === "TIMEOUT");
  const open = app.request({ to: "nobody", payload: 1 });
  await app.close();
  await assert.rejects(open, (error: ClientError) => error.code === "CLOSED");
});
