import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog, systemClock } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import { AttributeIds, MonitoringMode, type MonitoredItemNotification } from "node-opcua-client";
import { openOwnCertificate } from "./own-certificate.ts";
import { openConnection, type ServerConnection } from "./server-connection.ts";
import { servicesOf } from "./subscription-services.ts";
import { Subscriptions } from "./subscriptions.ts";
import { addFastVariable, cutConnections, fastServer, openRig, temporaryFolder } from "./testing/client-rig.ts";
import { openOpcuaFixture, plantNamespace } from "./testing/opcua-fixture.ts";

const fast = { node: `nsu=${plantNamespace};s=press-1.fast`, tag: "fast", queue: 100 };
const byPath = { node: "/Objects/Plant/press-1/double", tag: "way" };

test("opcua keeps its subscription when the connection is cut: bad once, then all that was missed", async () => {
  const fixture = await openOpcuaFixture({ server: fastServer });
  const set = addFastVariable(fixture, "fast");
  try {
    await using rig = await openRig({ url: fixture.url, sampling: 0, reconnect: { min: 300, max: 300 }, nodes: [fast, byPath] }, temporaryFolder());
    set(1);
    await until("it works", () => rig.readings("fast").at(-1)?.value === 1 && rig.readings("way").length > 0);
    cutConnections(fixture);
    const down = await rig.event("connection", 2);
    assert.deepEqual([down["state"], down["reason"]], ["down", "the other side or the network cut the connection"]);
    for (const value of [2, 3, 4]) set(value);
    const gap = await rig.event("gap");
    assert.deepEqual([gap["subscriptions"], gap["reason"], gap["history"]], ["kept", down["reason"], 0]);
    assert.ok((gap["from"] as number) < (gap["to"] as number));
    await until("all is good again", () => rig.readings("fast").at(-1)?.value === 4 && rig.readings("way").at(-1)?.quality === "good");
    const bad = rig.readings().filter(({ quality }) => quality === "bad").map(({ tag, value, code }) => [tag, value, code]);
    assert.deepEqual(bad, [["fast", null, "BadNoCommunication"], ["way", null, "BadNoCommunication"]]);
    const values = rig.readings("fast").map(({ value }) => value).filter((value, at, all) => value !== null && value !== all[at - 1]);
    assert.deepEqual(values.slice(-4), [1, 2, 3, 4]);
    assert.equal(rig.gateway.metric("busbar_opcua_reports_missed_total"), 0);
    assert.equal(rig.gateway.metric("busbar_opcua_reconnects_total"), 1);
    assert.deepEqual(rig.messages.filter(({ topic }) => topic === "event/subject/presence").map(({ payload }) => (payload as { presence: string }).presence), ["online", "offline", "online"]);
    set(5);
    await until("it goes on", () => rig.readings("fast").at(-1)?.value === 5);
  } finally {
    await fixture.close();
  }
});

test("opcua finds its nodes again on a server that numbers its namespaces anew, and fills the gap from its history", async () => {
  const first = await openOpcuaFixture({ server: fastServer });
  const set = addFastVariable(first, "fast");
  const folder = temporaryFolder();
  await using rig = await openRig({ url: first.url, sampling: 0, nodes: [fast, byPath], folders: [{ under: `nsu=${plantNamespace};s=press-1`, device: "below", include: ["int*"] }] }, folder);
  const index = first.press.object.nodeId.namespace;
  set(1);
  await until("it works", () => rig.readings("fast").at(-1)?.value === 1 && rig.readings("way").length > 0 && rig.readings("int16").length > 0);
  await first.close();
  await rig.event("connection", 2);
  const second = await openOpcuaFixture({ port: first.port, namespacesBefore: ["urn:one", "urn:two"], server: fastServer });
  try {
    assert.notEqual(second.press.object.nodeId.namespace, index);
    const past = Date.now();
    const setAgain = addFastVariable(second, "fast");
    for (const [at, value] of [11, 12, 13].entries()) setAgain(value, new Date(past - 300 + at * 100)); // the server's archive has them before we are back, and after too
    const gap = await rig.event("gap");
    assert.equal(gap["subscriptions"], "recreated");
    const filled = await rig.event("gap-filled");
    assert.ok((filled["values"] as number) >= 1, JSON.stringify(filled));
    await until("all is good again", () => ["fast", "way", "int16"].every((tag) => rig.readings(tag).at(-1)?.quality === "good"));
    await until("the newest is there", () => rig.readings("fast").some(({ value, late }) => value === 13 && !late));
    const late = rig.readings("fast").filter((one) => one.late);
    assert.ok(late.length > 0 && late.every(({ timestamp, quality, unit }) => timestamp >= (filled["from"] as number) && timestamp <= (filled["to"] as number) && quality === "good" && unit === "°C"));
    assert.ok(late.some(({ value }) => value === 11) && late.some(({ value }) => value === 12));
    assert.deepEqual(new Set(late.map(({ timestamp }) => timestamp)).size, late.length);
  } finally {
    await second.close();
  }
});

test("opcua fills from history what happened while the gateway was stopped, page by page", async () => {
  const fixture = await openOpcuaFixture({ server: fastServer });
  const set = addFastVariable(fixture, "fast");
  const folder = temporaryFolder();
  const config = { url: fixture.url, sampling: 0, nodes: [fast], history: { page: 7 } };
  try {
    {
      await using rig = await openRig(config, folder);
      set(1);
      await until("it works", () => rig.readings("fast").at(-1)?.value === 1);
      assert.equal(rig.events("gap").length, 0);
    }
    const start = Date.now();
    const times = Array.from({ length: 40 }, (_, at) => start + at + 1);
    for (const time of times) set(time - start + 100, new Date(time));
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, times.at(-1)! - Date.now() + 5))); // the gap ends after them
    await using rig = await openRig(config, folder);
    const gap = await rig.event("gap");
    assert.deepEqual([gap["reason"], gap["subscriptions"], gap["history"]], ["the gateway was stopped", "recreated", 1]);
    const filled = await rig.event("gap-filled");
    assert.equal(filled["values"], times.length);
    await until("the last is there", () => rig.readings("fast").some(({ late }) => !late));
    const all = new Set(rig.readings("fast").map(({ timestamp, value }) => `${timestamp} ${value}`));
    for (const time of times) assert.ok(all.has(`${time} ${time - start + 100}`), `${time}`);
    assert.equal(rig.gateway.metric("busbar_opcua_history_values_total"), rig.readings("fast").filter(({ late }) => late).length);
  } finally {
    await fixture.close();
  }
});

test("opcua comes up without a server, says so once, and takes it when it is there", async () => {
  await using rig = await openRig({ url: "opc.tcp://127.0.0.1:1", nodes: [fast] }, temporaryFolder());
  const down = await rig.event("connection");
  assert.deepEqual([down["state"], down["reason"]], ["down", "Cannot connect to opc.tcp://127.0.0.1:1: nothing listens there"]);
  await until("it has been tried again", () => rig.gateway.log.some(({ fields }) => (fields["repeated"] as number) > 2) || rig.gateway.log.filter(({ message }) => message === "no connection to the server").length > 3);
  assert.deepEqual(rig.readings().map(({ tag, code }) => [tag, code]), [["fast", "BadNoCommunication"]]);
  assert.equal(rig.events("connection").length, 1);
});

test("Subscriptions go to another session by transfer, and reports that got lost are asked for again", async () => {
  const fixture = await openOpcuaFixture({ server: fastServer, users: { operator: "a long password" } }); // servers transfer between sessions of one user, not of nobody
  const set = addFastVariable(fixture, "fast");
  const folder = temporaryFolder();
  const signal = new AbortController().signal;
  const log = createLog({ clock: systemClock, write: () => {} });
  const values: number[] = [];
  let missed = 0;
  let lost = "";
  const subscriptions = new Subscriptions({
    settings: { publish: 30, keepAlive: 90, lifetime: 30_000, items: 2, notifications: 0, priority: 0 }, clock: systemClock, log, timeout: 1_000,
    onValues: (items: readonly MonitoredItemNotification[]) => void values.push(...items.filter(({ clientHandle }) => clientHandle === 1).map(({ value }) => value.value.value as number)),
    onEvent: () => {},
    onMissed: (count) => (missed += count),
    onLost: (reason) => (lost = reason),
  });
  const own = await openOwnCertificate(folder, { applicationUri: undefined, now: Date.now() });
  const opened: ServerConnection[] = [];
  const open = async (): Promise<ServerConnection> => {
    const connection = await openConnection(settings, { previous: undefined, signal });
    opened.push(connection);
    return connection;
  };
  const settings = { url: fixture.url, own, timeout: 2_000, security: { policy: "None", mode: "auto" } as const, user: { name: "operator", password: "a long password" }, log, now: Date.now, trust: { pki: folder, trusted: [], acceptUnknown: false, instance: "x" } };
  try {
    const first = await open();
    subscriptions.begin(first.session);
    const index = fixture.press.object.nodeId.namespace;
    const item = (name: string, clientHandle: number) => ({ itemToMonitor: { nodeId: `ns=${index};s=press-1.${name}`, attributeId: AttributeIds.Value }, monitoringMode: MonitoringMode.Reporting, requestedParameters: { clientHandle, samplingInterval: 0, queueSize: 100 } });
    const results = await subscriptions.monitor([item("fast", 1), item("double", 2), item("int16", 3), item("nothing", 4), item("int32", 5)], { perCall: 10, signal });
    assert.deepEqual(results.map(({ statusCode }) => statusCode.name), ["Good", "Good", "Good", "BadNodeIdUnknown", "Good"]);
    assert.equal(subscriptions.size, 3, "two items each");
    await until("the first has come", () => values.length > 0);

    // one report gets lost on the way: the answer to a publish request is swallowed
    const services = servicesOf(first.session);
    const publish = services.publish.bind(first.session);
    let swallowed = 0;
    services.publish = (request, answer) => publish(request, (error, response) => {
      const data = response?.notificationMessage.notificationData ?? [];
      if (swallowed === 0 && data.length > 0) {
        swallowed++;
        return publish(request, answer);
      }
      answer(error, response);
    });
    let value = 0;
    const setNext = (): Promise<void> => {
      set((value = (value % 3) + 1));
      return new Promise((resolve) => setTimeout(resolve, 50)); // a report each
    };
    await until("a report was swallowed, and the values went on", () => values.at(-1) === 3 && swallowed > 0, { turn: setNext });
    await until("what was swallowed has come, too", () => [1, 2, 3].every((value) => values.includes(value)));
    assert.equal(missed, 0);

    subscriptions.detach();
    await first.leave();
    set(7);
    const second = await open();
    assert.equal(second.kept, false);
    assert.equal(await subscriptions.resume(second.session, second.kept), "transferred");
    await until("the value of the meantime has come", () => values.includes(7));
    set(8);
    await until("it goes on", () => values.at(-1) === 8);
    assert.equal(lost, "");

    subscriptions.detach();
    await second.close(); // with its subscriptions
    const third = await open();
    assert.equal(await subscriptions.resume(third.session, false), "gone");
  } finally {
    subscriptions.detach();
    for (const connection of opened) await connection.leave();
    await fixture.close();
  }
});
