import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { systemClock } from "@busbar/core";
import { until } from "@busbar/core/testkit";
import type { Channel } from "./channel.ts";
import { ModbusFault } from "./modbus-fault.ts";
import { openChannel } from "./open-channel.ts";
import { encodeRead, encodeWriteRegister } from "./pdu.ts";
import { encodeRtuFrame } from "./rtu-frames.ts";
import { ScriptedDevice, type Reply, type SeenRequest } from "./testing/scripted-device.ts";
import { UnitMemory } from "./testing/unit-memory.ts";

async function open(t: TestContext, framing: "tcp" | "rtu" = "tcp", more: { readonly strictUnit?: boolean } = {}) {
  const memory = new UnitMemory();
  memory.hold(0, 10, 11, 12, 13);
  const peer = await ScriptedDevice.listen({ 1: memory, 2: new UnitMemory() }, { framing });
  const counts = { late: 0, noise: 0 };
  const target = { host: "127.0.0.1", port: peer.port, framing, connectTimeout: 1000, inFlight: 8, strictUnit: true, silence: 0, ...more };
  const channel = await openChannel(target, { clock: systemClock, counts, signal: new AbortController().signal });
  t.after(async () => {
    channel.close();
    await peer[Symbol.asyncDispose]();
  });
  return { peer, channel, counts };
}

const read = async (channel: Channel, address: number, { unit = 1, count = 1, timeout = 2000 } = {}): Promise<readonly number[]> => {
  const data = await channel.exchange({ unit, pdu: encodeRead("holding", address, count), timeout });
  return Array.from({ length: count }, (_, at) => (data[2 * at]! << 8) | data[2 * at + 1]!);
};

const addressOf = ({ pdu }: SeenRequest): number => (pdu[1]! << 8) | pdu[2]!;
const answer = (...words: number[]): Uint8Array => Uint8Array.of(3, 2 * words.length, ...words.flatMap((word) => [word >> 8, word & 0xff]));
const fault = (code: string) => (error: unknown) => error instanceof ModbusFault && error.code === code;

test("TcpChannel brings each answer to its request when they come in another order", async (t) => {
  const { peer, channel } = await open(t);
  const held: (() => void)[] = [];
  peer.script = (request, reply) => {
    held.push(() => reply.send(answer(100 + addressOf(request))));
    if (held.length === 5) for (const send of held.toReversed()) send();
    return true;
  };
  assert.deepEqual(await Promise.all([0, 1, 2, 3, 4].map((address) => read(channel, address))), [[100], [101], [102], [103], [104]]);
});

test("TcpChannel never takes a late answer for another one", async (t) => {
  const { peer, channel, counts } = await open(t);
  let late: (() => void) | undefined;
  peer.script = (request, reply) => {
    if (late) return false;
    late = () => reply.send(answer(addressOf(request) + 0x7700));
    return true;
  };
  await assert.rejects(read(channel, 0, { timeout: 30 }), fault("no answer"));
  late!();
  assert.deepEqual(await read(channel, 1), [11]);
  await until("the late answer is counted", () => counts.late === 1);
});

for (const [what, misbehave, code] of [
  ["the wrong transaction", (reply: Reply) => reply.send(answer(99), { transaction: (reply.transaction + 7) & 0xffff }), "no answer"],
  ["the wrong unit", (reply: Reply) => reply.send(answer(99), { unit: 9 }), "malformed answer"],
  ["too few registers", (reply: Reply) => reply.send(Uint8Array.of(3, 0)), "malformed answer"],
  ["too many registers", (reply: Reply) => reply.send(answer(99, 98)), "malformed answer"],
  ["another function", (reply: Reply) => reply.send(Uint8Array.of(4, 2, 0, 99)), "malformed answer"],
  ["nothing", () => {}, "no answer"],
  ["an exception", (reply: Reply) => reply.send(Uint8Array.of(0x83, 6)), "modbus/06 server device busy"],
] as const) {
  test(`TcpChannel goes on after ${what}`, async (t) => {
    const { peer, channel } = await open(t);
    let first = true;
    peer.script = (_request, reply) => {
      if (!first) return false;
      first = false;
      misbehave(reply);
      return true;
    };
    await assert.rejects(read(channel, 0, { timeout: 100 }), fault(code));
    assert.deepEqual(await read(channel, 0), [10]);
  });
}

for (const [what, misbehave, code] of [
  ["garbage", (reply: Reply) => reply.raw(Uint8Array.from(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"))), "no connection"],
  ["a frame that ends in the middle", (reply: Reply) => reply.raw(Uint8Array.of(reply.transaction >> 8, reply.transaction & 0xff, 0, 0, 0, 5, 1, 3, 2)), "no answer"],
  ["a dropped connection", (reply: Reply) => reply.drop(), "no connection"],
] as const) {
  test(`TcpChannel ends at ${what}, as what comes next cannot be told apart`, async (t) => {
    const { peer, channel } = await open(t);
    peer.script = (_request, reply) => (misbehave(reply), true);
    await assert.rejects(read(channel, 0, { timeout: 50 }), fault(code));
    await channel.ended;
    await assert.rejects(read(channel, 0), fault("no connection"));
  });
}

test("TcpChannel takes an answer of another unit where strictUnit is off", async (t) => {
  const { peer, channel } = await open(t, "tcp", { strictUnit: false });
  peer.script = (_request, reply) => (reply.send(answer(42), { unit: 255 }), true);
  assert.deepEqual(await read(channel, 0), [42]);
});

test("RtuChannel reads, and goes on after an answer whose CRC is wrong", async (t) => {
  const { peer, channel, counts } = await open(t, "rtu");
  assert.deepEqual(await read(channel, 0, { count: 4 }), [10, 11, 12, 13]);
  peer.script = (_request, reply) => (reply.raw(encodeRtuFrame(1, answer(99)).map((byte, at) => (at === 3 ? byte ^ 0x40 : byte))), true);
  await assert.rejects(read(channel, 0, { timeout: 50 }), fault("no answer"));
  peer.script = () => false;
  assert.deepEqual(await read(channel, 1), [11]);
  assert.ok(counts.noise >= 7, `${counts.noise} bytes of noise`);
});

test("RtuChannel never takes a late answer for the answer to the next request of the same shape", async (t) => {
  const { peer, channel } = await open(t, "rtu");
  let late: (() => void) | undefined;
  peer.script = (request, reply) => {
    if (late === undefined) {
      late = () => reply.send(answer(0x7700 + addressOf(request)));
      return true;
    }
    late(); // it comes when the next request is on its way, in front of its answer
    late = () => {};
    return false;
  };
  await assert.rejects(read(channel, 0, { timeout: 30 }), fault("no answer"));
  assert.deepEqual(await read(channel, 1), [11]);
  assert.deepEqual(await read(channel, 2), [12]);
});

test("RtuChannel drops the answer of another unit", async (t) => {
  const { peer, channel } = await open(t, "rtu");
  peer.script = (request, reply) => {
    reply.send(answer(0x7700 + addressOf(request)), { unit: 2 });
    return false;
  };
  assert.deepEqual(await read(channel, 3), [13]);
});

test("RtuChannel confirms a write only by its echo", async (t) => {
  const { peer, channel } = await open(t, "rtu");
  peer.script = (_request, reply) => (reply.send(Uint8Array.of(6, 0, 1, 0, 9)), true);
  await assert.rejects(channel.exchange({ unit: 1, pdu: encodeWriteRegister(1, 5), timeout: 100 }), fault("malformed answer"));
});

test("openChannel() says that nobody is there, and that a serial line needs its driver", async () => {
  const target = { host: "127.0.0.1", port: 1, framing: "tcp", connectTimeout: 500, inFlight: 1, strictUnit: true, silence: 0 } as const;
  const options = { clock: systemClock, counts: { late: 0, noise: 0 }, signal: new AbortController().signal };
  await assert.rejects(openChannel(target, options), { code: "UNAVAILABLE", message: "Cannot connect to 127.0.0.1:1: ECONNREFUSED" });
  const serial = { path: "/dev/busbar-no-such-line", baudRate: 9600, dataBits: 8, parity: "even", stopBits: 1 } as const;
  await assert.rejects(openChannel({ ...target, serial }, options), /the optional package "serialport"|Cannot open the serial line/);
});
