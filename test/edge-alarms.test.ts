import assert from "node:assert/strict";
import { test } from "node:test";
import { commandFor } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import type { Urls } from "./faults/gateway-process.ts";
import { createRig, type Rig } from "./faults/rig.ts";

const patience = 20_000;

const routes = [
  {
    name: "alarms",
    from: "status/+",
    steps: [
      { map: { set: { dry: "tags.running && tags.flow < 1.0" } } },
      { alarms: { tags: { temperature: { high: 90, hysteresis: 5, onDelay: "10s" }, dry: { is: true, message: "{id}: the pump runs dry" } } } },
    ],
    to: "event/{id}",
  },
];

/** Asks the API, as `operator` unless somebody else is named. */
async function ask(rig: Rig, urls: Urls, path: string, body?: object, id = "operator"): Promise<[number, any]> {
  const headers = { authorization: `Bearer ${await rig.tokenFor(id)}`, "content-type": "application/json" };
  const response = await fetch(`${urls.get("HTTP API")!}/api/${path}`, body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) });
  return [response.status, await response.json()];
}

test("alarms and what operators did to them survive SIGKILL, and no event is lost or told twice", async () => {
  await using rig = await createRig({ runtime: { name: "the one under test", command: commandFor }, plugins: { edge: {} }, routes });
  const start = Date.now() - 60_000;
  const say = async (urls: Urls, second: number, values: object): Promise<void> => {
    const [status] = await ask(rig, urls, "messages", { type: "status", from: "pump-1", timestamp: start + second * 1000, payload: values, qos: 1, msgid: `s-${second}` }, "pump-1");
    assert.equal(status, 200);
  };
  const told = async (urls: Urls): Promise<string[]> => (await ask(rig, urls, "messages?topic=event/pump-1&limit=1000"))[1].messages.map((one: any) => `${one.payload.alarm} ${one.payload.state} ${(one.timestamp - start) / 1000}`);
  const untilTold = (urls: Urls, what: string): Promise<unknown> => until(what, async () => (await told(urls)).includes(what), { within: patience });
  const order = (urls: Urls, payload: object) => ask(rig, urls, "devices/edge%2Falarms/commands", { payload, wait: patience });
  const expected: string[] = [];

  const first = rig.start();
  let urls = await first.ready;
  await say(urls, 0, { temperature: 95, running: true, flow: 0.2 });
  expected.push("dry/state raised 0");
  await untilTold(urls, "dry/state raised 0");
  await say(urls, 5, { temperature: 96 });
  await first.kill(); // while the delay of temperature/high runs

  const second = rig.start();
  urls = await second.ready;
  await say(urls, 20, { temperature: 97 });
  expected.push("temperature/high raised 10");
  await untilTold(urls, "temperature/high raised 10");
  const [status, answer] = await order(urls, { acknowledge: "pump-1/temperature/high", comment: "seen" });
  assert.deepEqual([status, answer.state, answer.result], [200, "done", { changed: 1, alarms: [{ id: "pump-1/temperature/high", condition: "acknowledged" }] }]);
  assert.equal((await order(urls, { shelve: "pump-1/dry/state", for: "1h" }))[1].state, "done");
  await second.kill(); // within the 10 s between two looks at the state

  const third = rig.start();
  urls = await third.ready;
  const standing = await until("what stands is said again", async () => {
    const [, { messages }] = await ask(rig, urls, "messages?topic=status/edge/alarms&limit=1000");
    return messages.at(-1)?.payload.alarms?.length === 2 && messages.at(-1).payload;
  }, { within: patience });
  assert.deepEqual(standing.alarms.map((one: any) => [one.id, one.condition]), [["pump-1/temperature/high", "acknowledged"], ["pump-1/dry/state", "shelved"]]);
  await say(urls, 30, { temperature: 50, flow: 5 });
  await untilTold(urls, "temperature/high cleared 30");
  const history = (await ask(rig, urls, "messages?topic=event/pump-1&limit=1000"))[1].messages;
  const byState = (state: string) => history.find((one: any) => one.payload.state === state).payload;
  assert.deepEqual([byState("acknowledged").by, byState("acknowledged").comment, byState("cleared").condition], ["operator", "seen", "normal"]);
  assert.deepEqual(byState("raised").message, "pump-1/dry/state: the pump runs dry");
  const changes = (await told(urls)).filter((one) => !/ (?:acknowledged|shelved) /.test(one));
  assert.deepEqual(changes, [...expected, "temperature/high cleared 30"]);
  assert.equal((await told(urls)).length, 5);
  assert.equal((await order(urls, { acknowledge: "pump-2/temperature/high" }))[1].result.code, "NO_SUCH_ALARM");
  assert.deepEqual([first.errors, second.errors, third.errors], [[], [], []]);
});
