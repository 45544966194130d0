import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { until } from "@busbar/core/testkit";
import { ClientMonitoredItem, type ClientSubscription, DataType, type EventFilter, EventFilterResult, type MonitoredItemCreateRequestOptions, MonitoredItemCreateResult, resolveNodeId, StatusCodes, TimestampsToReturn, Variant } from "node-opcua-client";
import { type AlarmMessage, Alarms } from "./alarms.ts";
import { carryOut, parseCommand } from "./command.ts";
import { eventFields, eventItem } from "./event-fields.ts";
import { monitorEvents } from "./monitor-events.ts";
import { type ConnectedFixture, openConnectedFixture } from "./testing/connect.ts";

const signal = new AbortController().signal;
let fixture: ConnectedFixture;
let subscription: ClientSubscription;
const told: AlarmMessage[] = [];
let refreshWanted = 0;
const alarms = new Alarms({ severity: 100, notices: true, publish: (message) => void told.push(message), onRefreshRequired: () => void refreshWanted++ });
/** Every event as it came, to be played again. */
const heard: (readonly [handle: number, fields: readonly Variant[]])[] = [];
let deaf = false;
const unheard: (readonly Variant[])[] = [];

before(async () => {
  fixture = await openConnectedFixture();
  subscription = await fixture.session.createSubscription2({ requestedPublishingInterval: 20, requestedLifetimeCount: 1_000, requestedMaxKeepAliveCount: 100, publishingEnabled: true });
  for (const [handle, node] of ["i=2253", "ns=3;s=press-1"].entries()) {
    const { itemToMonitor, requestedParameters } = eventItem(resolveNodeId(node), { handle });
    const { clientHandle: _own, ...parameters } = requestedParameters!; // node-opcua numbers its items itself
    const item = ClientMonitoredItem.create(subscription, itemToMonitor!, parameters, TimestampsToReturn.Neither);
    item.on("changed", ((fields: Variant[]) => {
      if (deaf) return void unheard.push(fields);
      heard.push([handle, fields]);
      alarms.take(handle, fields, fixture.view.namespaces);
    }) as never);
    await new Promise<void>((resolve, reject) => item.on("initialized", () => resolve()).on("err", (message: string) => reject(new Error(message))));
  }
});
after(() => fixture.close());
beforeEach(() => void (told.length = 0));

const next = (count = 1) => until(`${count} messages are told`, () => told.length >= count && told.map(({ payload }) => payload), { show: () => told });
const states = () => told.map(({ payload }) => payload["state"]);
const obey = (payload: unknown) => carryOut(parseCommand(payload), { view: fixture.view, nodeOf: () => undefined, methodOf: () => undefined, alarms, signal });
/** Everything that the server has to say is said when an event that comes after it is. */
const settle = async (): Promise<void> => {
  const mark = `mark ${performance.now()}`;
  fixture.press.raiseEvent(mark, 1_000);
  await until("the mark is told", () => told.some(({ payload }) => payload["message"] === mark));
  told.splice(0, told.length, ...told.filter(({ payload }) => payload["message"] !== mark));
};
const name = "press-1/temperature";
const id = "nsu=urn:busbar:test:plant;s=press-1.temperature-alarm";

test("an alarm is told once when it is raised, when it gets worse and when it is over, though two items report it", async () => {
  fixture.press.setTemperature(85);
  const [raised] = await next();
  assert.deepEqual([raised!["event"], raised!["alarm"], raised!["state"], raised!["id"], raised!["source"], raised!["type"], raised!["active"], raised!["acknowledged"], raised!["level"], raised!["retain"], raised!["shelved"]], ["alarm", name, "raised", id, "press-1", "ExclusiveLimitAlarmType", true, false, "High", true, false]);
  assert.match(String(raised!["message"]), /temperature|Condition/i);
  assert.ok(typeof raised!["severity"] === "number" && raised!["severity"] >= 100 && typeof told[0]!.timestamp === "number");
  fixture.press.setTemperature(95);
  await next(2);
  fixture.press.setTemperature(50);
  await until("it is cleared", () => states().includes("cleared"));
  await settle();
  assert.deepEqual(states(), ["raised", "changed", "branched", "cleared"], "this server keeps what was not acknowledged as a branch, and gives the end severity 0");
  assert.deepEqual([told[1]!.payload["level"], told[2]!.payload["acknowledged"], told[3]!.payload["active"]], ["HighHigh", false, false]);
});

test("acknowledge, addComment and confirm reach the condition with the last event's id", async () => {
  assert.deepEqual(await obey({ addComment: name, comment: "looking" }), { alarms: [name] });
  await until("the comment is told", () => states().includes("commented"));
  assert.deepEqual(await obey({ acknowledge: name, comment: "seen" }), { alarms: [name] });
  await until("it is acknowledged", () => states().includes("acknowledged"));
  assert.equal(told.at(-1)!.payload["acknowledged"], true, "with its branch");
  assert.deepEqual(await obey({ confirm: id, comment: "done" }), { alarms: [name] });
  await until("it is confirmed", () => states().includes("confirmed"));
  await settle();
  assert.deepEqual(states(), ["commented", "acknowledged", "confirmed", "confirmed"]);
  assert.deepEqual([told[2]!.payload["comment"], told[2]!.payload["retain"]], ["done", false]);
  assert.equal(fixture.press.alarm.ackedState.readValue().value.value.text, "Acknowledged");
});

test("shelve and unshelve reach the alarm's state machine", async () => {
  assert.deepEqual(await obey({ shelve: name, for: "10m" }), { alarms: [name] });
  await until("it is shelved", () => fixture.press.alarm.shelvingState!.currentState.readValue().value.value.text === "TimedShelved");
  assert.deepEqual(await obey({ unshelve: name }), { alarms: [name] });
  await until("it is not any more", () => fixture.press.alarm.shelvingState!.currentState.readValue().value.value.text === "Unshelved");
  assert.deepEqual(await obey({ unshelve: name }), { alarms: [name] }, "as it is already");
});

test("commands that name no alarm, or in the wrong way, are refused", async () => {
  for (const [payload, code, message] of [
    [{ acknowledge: "press-1/pressure" }, "NO_SUCH_ALARM", /no event has told/],
    [{ acknowledge: name, eventId: "AAAA" }, "NO_SUCH_ALARM", /BadEventIdUnknown/],
    [{ acknowledge: [name, id], eventId: "AAAA" }, "BAD_COMMAND", /of one alarm/],
    [{ shelve: name }, "BAD_COMMAND", /how long/],
    [{ shelve: name, for: "1m", once: true }, "BAD_COMMAND", /how long/],
    [{ acknowledge: name, for: "1m" }, "BAD_COMMAND", /"for" does not go with acknowledge/],
    [{ acknowledge: name, confirm: name }, "BAD_COMMAND", /acknowledge and confirm/],
    [{ addComment: name }, "BAD_COMMAND", /needs a "comment"/],
    [{ set: { a: 1 }, arguments: {} }, "BAD_COMMAND", /does not go with set/],
    [{ go: 1 }, "BAD_COMMAND", /go/],
    ["stop", "BAD_COMMAND", /Cannot understand/],
    [{}, "BAD_COMMAND", /not none/],
    [{ call: "scale" }, "NO_SUCH_METHOD", /names no such method/],
  ] as const) await assert.rejects(async () => obey(payload), { code, message }, JSON.stringify(payload));
});

test("a ConditionRefresh tells nothing that is known, and clears only what is over, when it ends", async () => {
  fixture.press.setTemperature(5);
  assert.equal((await next())[0]!["level"], "Low");
  assert.deepEqual(await alarms.refresh(fixture.view, [subscription.subscriptionId], { signal }), []);
  await settle();
  assert.deepEqual(states(), ["raised"], "the refresh has told of it again");
  deaf = true; // the connection is down: nobody hears that it is over
  const before = heard.length;
  fixture.press.setTemperature(50);
  for (const branch of fixture.press.alarm.getBranches()) fixture.press.alarm.deleteBranch(branch);
  const own = fixture.press.alarm.currentBranch();
  own.setAckedState(true);
  own.setConfirmedState(true);
  own.setRetain(false);
  assert.equal(fixture.press.alarm.retain.readValue().value.value, false);
  const mark = `unheard ${performance.now()}`;
  fixture.press.raiseEvent(mark, 1_000);
  await until("what was under way has been reported, to nobody", () => unheard.some((fields) => fields.some(({ value }) => value?.text === mark)));
  assert.equal(heard.length, before);
  deaf = false;
  assert.deepEqual(alarms.conditions.map(({ state }) => state.active), [true], "still taken for active");
  assert.deepEqual(await alarms.refresh(fixture.view, [subscription.subscriptionId], { signal }), []);
  await until("it is cleared", () => states().includes("cleared"));
  await settle();
  assert.deepEqual(states(), ["raised", "cleared"]);
  assert.deepEqual([told[1]!.payload["active"], told[1]!.payload["acknowledged"], told[1]!.payload["retain"], alarms.active], [false, true, false, 0]);
  assert.equal(told[1]!.timestamp, undefined, "when it was over is not known");
});

test("an event that is no condition's is told once, from the severity on that is asked for", async () => {
  fixture.press.raiseEvent("too low to matter", 99);
  fixture.press.raiseEvent("door opened", 100);
  const [notice] = await next();
  const { eventId, ...rest } = notice!;
  assert.deepEqual(rest, { event: "notice", type: "BaseEventType", source: "press-1", severity: 100, message: "door opened" });
  assert.equal(typeof eventId, "string");
  await settle();
  assert.equal(told.length, 1);
});

test("events that are played again, in any number, are nothing new", () => {
  for (const [handle, fields] of heard.slice(-4)) alarms.take(handle, fields, fixture.view.namespaces);
  alarms.take(0, [], fixture.view.namespaces);
  assert.deepEqual(told, []);
});

test("monitorEvents() asks again without the fields that a server does not have, and its events are read all the same", async () => {
  const asked: number[] = [];
  const published: AlarmMessage[] = [];
  const few = new Alarms({ severity: 1, notices: true, publish: (message) => void published.push(message), onRefreshRequired: () => {} });
  let selected: readonly Variant[] = [];
  // as open62541 answers that is built without alarms and conditions
  const picky = async (items: readonly MonitoredItemCreateRequestOptions[]): Promise<MonitoredItemCreateResult[]> => items.map(({ requestedParameters }) => {
    const clauses = (requestedParameters!.filter as unknown as EventFilter).selectClauses!;
    const unknown = clauses.map(({ browsePath }) => /State$/.test(browsePath?.[0]?.name ?? ""));
    asked.push(clauses.length);
    selected = clauses.map(({ browsePath }) => {
      const name = browsePath?.map((step) => step.name).join(".") ?? "";
      return new Variant(name === "EventId" ? { dataType: DataType.ByteString, value: Buffer.from("1") } : name === "Message" ? { dataType: DataType.LocalizedText, value: { text: "door open" } } : name === "Severity" ? { dataType: DataType.UInt16, value: 7 } : {});
    });
    const refused = unknown.some(Boolean);
    return new MonitoredItemCreateResult({ statusCode: refused ? StatusCodes.BadEventFilterInvalid : StatusCodes.Good, filterResult: new EventFilterResult({ selectClauseResults: unknown.map((is) => (is ? StatusCodes.BadNodeIdUnknown : StatusCodes.Good)) }) });
  });
  const [result] = await monitorEvents([{ nodeId: resolveNodeId("i=2253"), handle: 9 }], { alarms: few, monitor: picky });
  assert.equal(result!.statusCode, StatusCodes.Good);
  assert.deepEqual([asked.length, asked[0]], [2, eventFields.length]);
  assert.ok(asked[1]! < asked[0]! && asked[1]! > 10);
  few.take(9, selected, []);
  assert.deepEqual(published.map(({ payload }) => [payload["event"], payload["severity"], payload["message"]]), [["notice", 7, "door open"]]);
});
