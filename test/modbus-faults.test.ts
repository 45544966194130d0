import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Envelope } from "@busbar/core";
import { testPlugin, until } from "@busbar/core/testkit";
import modbus from "@busbar/modbus";
import { openSimulatedPlant, type FaultInput } from "@busbar/opcua-sim";

interface Payload {
  readonly quality: string;
  readonly values: readonly { readonly tag: string; readonly value: unknown; readonly quality: string; readonly code?: string }[];
}

/** A unit whose holding registers 0-9 hold their addresses, read ten times a second by the driver. */
async function open(t: TestContext) {
  const plant = await openSimulatedPlant({ plant: {}, opcua: { enabled: false }, modbus: { enabled: false, fleet: { units: 2, ports: [0], blocks: [{ table: "holding-register", count: 10, pattern: { kind: "static" } }] } } });
  t.after(() => plant.close());
  const gateway = await testPlugin(modbus, {
    host: "127.0.0.1", port: plant.modbusFleet[0]!.port, reconnect: { min: 20, max: 100 },
    devices: [1, 2].map((unit) => ({ id: `d${unit}`, unit, period: 50, timeout: 150, points: [{ tag: "three", table: "holding", address: 3 }] })),
  });
  t.after(() => gateway.stop());
  const heard: Envelope<Payload>[] = [];
  const events: Envelope<Record<string, unknown>>[] = [];
  gateway.bus.subscribe("status/d1", (message) => void heard.push(message as Envelope<Payload>));
  gateway.bus.subscribe("event/d1", (message) => void events.push(message as Envelope<Record<string, unknown>>));
  await until("it is read", () => heard.at(-1)?.payload.quality === "good");
  return { plant, gateway, heard, events };
}

/** Each fault, the quality that it makes of a value, and the codes of which one is told; `other`: whether the unit beside it on the same connection does not notice. */
const cases: readonly (readonly [FaultInput, "bad" | "uncertain", RegExp, { readonly other: boolean }])[] = [
  [{ kind: "no-answer", unit: 1 }, "bad", /^no answer$/, { other: true }],
  [{ kind: "slow", unit: 1, delay: 400 }, "bad", /^no answer$/, { other: true }],
  [{ kind: "exception", unit: 1, code: 2 }, "bad", /^modbus\/02 illegal data address$/, { other: true }],
  [{ kind: "exception", unit: 1, code: 4 }, "bad", /^modbus\/04 server device failure$/, { other: true }],
  [{ kind: "exception", unit: 1, code: 6 }, "uncertain", /^modbus\/06 server device busy$/, { other: true }],
  [{ kind: "exception", unit: 1, code: 11 }, "bad", /^modbus\/0B gateway target device failed to respond$/, { other: true }],
  [{ kind: "wrong-transaction", unit: 1 }, "bad", /^no answer$/, { other: true }],
  [{ kind: "wrong-unit", unit: 1 }, "bad", /^malformed answer$/, { other: true }],
  [{ kind: "short-frame", unit: 1 }, "bad", /^malformed answer$/, { other: true }],
  [{ kind: "short-frame", unit: 1, header: false }, "bad", /^no (?:answer|connection)$/, { other: false }],
  [{ kind: "garbage", unit: 1 }, "bad", /^no connection$/, { other: false }],
  [{ kind: "drop", unit: 1 }, "bad", /^no connection$/, { other: false }],
  [{ kind: "drop", unit: 1, within: true }, "bad", /^no connection$/, { other: false }],
  [{ kind: "refuse", protocol: "modbus" }, "bad", /^no (?:answer|connection)$/, { other: false }],
  [{ kind: "restart", protocol: "modbus", for: 500 }, "bad", /^no connection$/, { other: false }],
];

for (const [fault, quality, code, { other }] of cases) {
  test(`modbus says what ${JSON.stringify(fault)} of the simulator makes of a value, as quality and event, and that it is over`, async (t) => {
    const { plant, gateway, heard, events } = await open(t);
    const before = gateway.metric('busbar_modbus_timeouts_total{device="d2"}');
    plant.faults.inject(fault);
    if (fault.kind === "refuse") plant.faults.inject({ kind: "drop", protocol: "modbus", count: 1 });
    const struck = await until("its quality", () => heard.find(({ payload }) => payload.quality === quality), { show: () => heard.slice(-2).map(({ payload }) => payload) });
    const { values: [reading] } = struck.payload;
    assert.match(reading!.code!, code);
    assert.equal(reading!.value, 3, "the last value stays");
    const raised = await until("its event", () => events.find(({ payload }) => payload["state"] === "raised"));
    assert.match(String(raised.payload["fault"]), code);
    if (other) assert.equal(gateway.metric('busbar_modbus_timeouts_total{device="d2"}'), before, "the other unit does not notice");
    assert.ok(heard.every(({ payload }) => payload.values[0]!.value === 3), "no wrong answer is ever taken for a value");
    plant.faults.clear();
    await until("it is good again", () => heard.at(-1)!.payload.quality === "good");
    await until("that it is over", () => events.filter(({ payload }) => payload["state"] === "cleared").length === events.filter(({ payload }) => payload["state"] === "raised").length);
  });
}

test("modbus reads 500 scattered registers of one unit with the least number of requests, as the simulator counts them", async (t) => {
  const addresses = [...new Set(Array.from({ length: 500 }, (_, n) => (((n + 1) ** 3 % 4001) * 7919) % 4001))].sort((a, b) => a - b);
  assert.equal(addresses.length, 500);
  let least = 0;
  let end = -1;
  for (const address of addresses) {
    if (address < end) continue;
    least++;
    end = address + 125;
  }
  const plant = await openSimulatedPlant({ plant: {}, opcua: { enabled: false }, modbus: { enabled: false, fleet: { units: 1, ports: [0], blocks: [{ table: "holding-register", count: 4001, pattern: { kind: "static" } }] } } });
  t.after(() => plant.close());
  const gateway = await testPlugin(modbus, { host: "127.0.0.1", port: plant.modbusFleet[0]!.port, devices: [{ id: "d", period: "1h", points: addresses.map((address) => ({ tag: `r${address}`, table: "holding", address })) }] });
  t.after(() => gateway.stop());
  const { values } = (await gateway.next("status/d")).payload as Payload;
  assert.deepEqual(values.map(({ value }) => value), addresses);
  const requests = plant.requests.total({ unit: 1 });
  assert.ok(requests <= least * 1.1, `${requests} requests where ${least} are the least there can be`);
  assert.equal(requests, least);
});
