import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import * as v from "valibot";
import { ModbusFault } from "./modbus-fault.ts";
import { answerData, encodeRead } from "./pdu.ts";
import { createPoint } from "./point.ts";
import { pointSchema } from "./point-schema.ts";
import { PollGroup } from "./poll-group.ts";
import { TagState } from "./tag-state.ts";
import { UnitMemory, type UnitLimits } from "./testing/unit-memory.ts";

function open(addresses: readonly number[], limits: UnitLimits = {}, more: { readonly maxRegisters?: number; readonly maxGap?: number } = {}) {
  const clock = fakeClock();
  const memory = new UnitMemory(limits);
  for (const address of addresses) memory.hold(address, address);
  const requests: Uint8Array[] = [];
  let silent: (address: number) => boolean = () => false;
  const ask = async (pdu: Uint8Array): Promise<Uint8Array> => {
    requests.push(pdu);
    if (silent((pdu[1]! << 8) | pdu[2]!)) throw new ModbusFault("no-answer");
    return answerData(pdu, memory.answer(pdu));
  };
  const tags = addresses.map((address) => new TagState(createPoint(v.parse(pointSchema, { tag: `t${address}`, table: "holding", address }), { order: "abcd", readBack: true })));
  const group = new PollGroup({ name: "default", period: 1000, tags }, { clock, limits: { maxRegisters: 125, maxBits: 2000, maxGap: 2000, relearn: 600_000, ...more }, width: 1, gone: () => false });
  const poll = async (): Promise<number> => {
    requests.length = 0;
    await group.read(ask);
    return requests.length;
  };
  const good = (): readonly number[] => tags.filter(({ quality }) => quality === "good").map(({ value }) => value as number);
  return { clock, memory, tags, poll, good, requests, silence: (test: (address: number) => boolean) => void (silent = test) };
}

/** 500 registers scattered over 4,001: none comes twice, as that is prime and each is the cube of another number that has no common factor with 4,000. */
const scattered = (): readonly number[] => Array.from({ length: 500 }, (_, n) => (((n + 1) ** 3 % 4001) * 7919) % 4001);

test("PollGroup reads 500 scattered registers with the least number of requests", async () => {
  const addresses = scattered();
  const { poll, good } = open(addresses);
  let least = 0;
  let end = -1;
  for (const address of addresses.toSorted((a, b) => a - b)) {
    if (address < end) continue;
    least++;
    end = address + 125;
  }
  assert.equal(await poll(), least);
  assert.deepEqual(good(), addresses);
});

test("PollGroup finds what a device refuses, and then reads the rest with as few requests as there can be", async () => {
  const addresses = Array.from({ length: 100 }, (_, n) => n);
  const { poll, good, tags } = open(addresses, { has: (address) => address !== 37 && address !== 38 });
  const first = await poll();
  assert.ok(first <= 20, `${first} requests to find two registers in 100`);
  assert.deepEqual(good(), addresses.filter((address) => address !== 37 && address !== 38));
  assert.deepEqual([tags[37]!.value, tags[37]!.quality, tags[37]!.fault], [null, "bad", "modbus/02 illegal data address"]);
  assert.equal(await poll(), 2);
});

test("PollGroup reads around a gap that a device does not have, and merges anew after a while", async () => {
  const addresses = [0, 1, 2, 50, 51];
  const { poll, good, clock, memory } = open(addresses, { has: (address) => address < 3 || address >= 50 });
  assert.equal(await poll(), 3, "the whole, and each side of the gap");
  assert.deepEqual(good(), addresses);
  assert.equal(await poll(), 2);
  memory.limits = {};
  await clock.advance(600_000);
  assert.equal(await poll(), 1, "what was learned is tried anew");
});

test("PollGroup learns the length that a device takes", async () => {
  const addresses = Array.from({ length: 500 }, (_, n) => n);
  const { poll, good } = open(addresses, { most: 64 });
  await poll();
  assert.deepEqual(good(), addresses);
  for (let n = 0; n < 8; n++) await poll();
  assert.equal(await poll(), 8, "500 / 64 is 7.8");
});

test("PollGroup asks for a refused register with growing pauses, and reads it with the others when it is there", async () => {
  const { poll, good, clock, memory } = open([0, 1, 2], { has: (address) => address !== 1 });
  await poll();
  let asked = 0;
  for (let second = 0; second < 120; second++) {
    await clock.advance(1000);
    asked += (await poll()) - 2;
  }
  assert.ok(asked >= 5 && asked <= 8, `it was asked for ${asked} times in two minutes`);
  memory.limits = {};
  await clock.advance(256_000);
  await poll();
  assert.deepEqual(good(), [0, 1, 2]);
  assert.equal(await poll(), 1);
});

test("PollGroup asks once per read while a device refuses everything, and has all of it back at once", async () => {
  const addresses = Array.from({ length: 40 }, (_, n) => n);
  const { poll, good, clock, memory } = open(addresses, { has: () => false });
  await poll();
  assert.equal(await poll(), 1, "it is not taken apart each time");
  memory.limits = {};
  await clock.advance(100);
  assert.equal(await poll(), 1);
  assert.deepEqual(good(), addresses);
});

test("PollGroup goes on with what is answered where one request is not", async () => {
  const { poll, good, clock, tags, silence } = open([0, 1000, 2000]);
  silence((address) => address === 1000);
  assert.equal(await poll(), 3);
  assert.deepEqual(good(), [0, 2000]);
  assert.equal(tags[1]!.fault, "no answer");
  assert.equal(await poll(), 2, "it is left out for a while");
  silence(() => false);
  await clock.advance(1000);
  assert.equal(await poll(), 3);
  assert.deepEqual(good(), [0, 1000, 2000]);
});

test("PollGroup never splits a value, whatever is refused", async () => {
  const clock = fakeClock();
  const memory = new UnitMemory({ has: (address) => address !== 9 });
  const seen: Uint8Array[] = [];
  const tags = Array.from({ length: 20 }, (_, n) => new TagState(createPoint(v.parse(pointSchema, { tag: `t${n}`, table: "holding", address: 2 * n, type: "uint32" }), { order: "abcd", readBack: true })));
  const group = new PollGroup({ name: "g", period: 1000, tags }, { clock, limits: { maxRegisters: 125, maxBits: 2000, maxGap: 0, relearn: 600_000 }, width: 1, gone: () => false });
  await group.read(async (pdu) => {
    seen.push(pdu);
    return answerData(pdu, memory.answer(pdu));
  });
  for (const pdu of seen) assert.deepEqual([pdu[2]! % 2, pdu[4]! % 2], [0, 0], `asked for ${Buffer.from(pdu).toString("hex")}`);
  assert.deepEqual(tags.filter(({ quality }) => quality !== "good").map(({ point }) => point.tag), ["t4"]);
  assert.equal(seen.length > 1 && seen[0]!.join() === encodeRead("holding", 0, 40).join(), true);
});
