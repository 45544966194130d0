import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock, type FakeClock } from "@busbar/core/testkit";
import type { Channel, ModbusRequest } from "./channel.ts";
import { ModbusFault } from "./modbus-fault.ts";
import { RequestQueue } from "./request-queue.ts";

/** A channel that answers each unit after its own time; a negative one: not at all, within the timeout of the request. */
function openLine(clock: FakeClock, times: Readonly<Record<number, number>>, depth = 1) {
  const sent: { readonly unit: number; readonly at: number }[] = [];
  let closed = false;
  const channel: Channel = {
    depth,
    ended: new Promise(() => {}),
    close: () => void (closed = true),
    async exchange({ unit, timeout }: ModbusRequest) {
      sent.push({ unit, at: clock.now() });
      const time = times[unit]!;
      await clock.sleep(time < 0 ? timeout : time);
      if (time < 0) throw new ModbusFault("no-answer");
      return Uint8Array.of(unit);
    },
  };
  const queue = new RequestQueue({ clock, perUnit: 1, silences: 5 });
  queue.attach(channel);
  return { queue, sent, isClosed: () => closed };
}

const request = (unit: number, timeout = 1000): ModbusRequest => ({ unit, pdu: Uint8Array.of(3, 0, 0, 0, 1), timeout });
const ignore = (promise: Promise<unknown>): void => void promise.catch(() => {});

test("RequestQueue gives a slow unit no more time than the others, however much it asks for", async () => {
  const clock = fakeClock();
  const { queue, sent } = openLine(clock, { 1: 100, 2: 10, 3: 10 });
  for (let n = 0; n < 40; n++) for (const unit of [1, 2, 3]) ignore(queue.exchange(request(unit)));
  await clock.advance(600);
  const of = (unit: number): number => sent.filter((one) => one.unit === unit).length;
  assert.ok(of(1) <= 3, `the slow unit was asked ${of(1)} times`);
  assert.ok(of(2) >= 14 && of(3) >= 14, `the others ${of(2)} and ${of(3)} times`);
});

test("RequestQueue sends one request of each unit at a time, and a command before what waits", async () => {
  const clock = fakeClock();
  const { queue, sent } = openLine(clock, { 1: 10, 2: 10, 9: 10 }, 8);
  for (const unit of [1, 1, 1, 2]) ignore(queue.exchange(request(unit)));
  ignore(queue.exchange(request(1), { urgent: true }));
  assert.deepEqual(sent.map(({ unit }) => unit), [1, 2]);
  const first = queue.exchange(request(9));
  await clock.advance(10);
  assert.deepEqual(await first, Uint8Array.of(9));
  await clock.advance(30);
  assert.equal(sent.filter(({ unit }) => unit === 1).length, 4);
});

test("RequestQueue gives units that do not answer a tenth of a line together, and the others the rest", async () => {
  const clock = fakeClock();
  const { queue, sent } = openLine(clock, { 1: 10, 7: -1, 8: -1 });
  const keepAsking = async (unit: number, suspect: boolean): Promise<void> => {
    for (;;) await queue.exchange(request(unit, 100), { suspect }).catch(() => {});
  };
  void keepAsking(1, false);
  void keepAsking(7, true);
  void keepAsking(8, true);
  await clock.advance(20_000);
  const silent = sent.filter(({ unit }) => unit !== 1).length;
  assert.ok(silent >= 15 && silent <= 20, `${silent} requests to silent units of 100 ms in 20 s`);
  assert.ok(sent.filter(({ unit }) => unit === 1).length > 1750, "the other one has the rest");
});

test("RequestQueue has one request at a time to all units that do not answer where a channel carries many", async () => {
  const clock = fakeClock();
  const { queue, sent } = openLine(clock, { 1: 10, 2: 10, 3: -1, 4: -1, 5: -1, 6: -1 }, 3);
  for (const unit of [3, 4, 5, 6]) ignore(queue.exchange(request(unit), { suspect: true }));
  for (const unit of [1, 2]) ignore(queue.exchange(request(unit)));
  assert.deepEqual(sent.map(({ unit }) => unit), [3, 1, 2]);
});

test("RequestQueue ends a connection on which nobody answers any more", async () => {
  const clock = fakeClock();
  const { queue, isClosed } = openLine(clock, { 1: -1, 2: 10 }, 2);
  for (let n = 0; n < 4; n++) ignore(queue.exchange(request(1)));
  await clock.advance(3500);
  ignore(queue.exchange(request(2)));
  await clock.advance(1000);
  assert.equal(isClosed(), false, "an answer in between shows that it is alive");
  for (let n = 0; n < 5; n++) ignore(queue.exchange(request(1)));
  await clock.advance(5000);
  assert.equal(isClosed(), true);
});

test("RequestQueue refuses at once while there is no connection, and what waits when it goes", async () => {
  const clock = fakeClock();
  const { queue } = openLine(clock, { 1: 10 });
  ignore(queue.exchange(request(1)));
  const waiting = queue.exchange(request(1));
  queue.detach();
  await assert.rejects(waiting, { code: "no connection" });
  await assert.rejects(queue.exchange(request(1)), { code: "no connection" });
});
