import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { fakeClock } from "@busbar/core/testkit";
import type * as v from "valibot";
import type { FaultInput } from "./fault.ts";
import type { modbusFleetSchema } from "./modbus-fleet.ts";
import { crc16 } from "./modbus-rtu-frame.ts";
import { openSimulatedPlant } from "./simulated-plant.ts";

/** Unit 1 has holding registers 0 to 4 that hold their addresses and nothing at 5 to 9; 10 is a counter. */
const fleet: v.InferInput<typeof modbusFleetSchema> = {
  ports: [0],
  units: 4,
  blocks: [
    { table: "holding-register", count: 5, pattern: { kind: "static" } },
    { table: "holding-register", address: 10, pattern: { kind: "counter" } },
    { table: "coil", count: 9, pattern: { kind: "static", value: 1 } },
  ],
};

async function serve(t: TestContext, more: Record<string, unknown> = {}) {
  const clock = fakeClock();
  const plant = await openSimulatedPlant({ plant: {}, allowWrites: true, opcua: { enabled: false }, modbus: { enabled: false, fleet: { ...fleet, ...more } } }, { clock });
  t.after(() => plant.close());
  const { port } = plant.modbusFleet[0]!;
  const sockets: Socket[] = [];
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const dial = async (): Promise<Peer> => {
    const socket = connect(port, "127.0.0.1");
    sockets.push(socket);
    await once(socket, "connect");
    return new Peer(socket);
  };
  return { clock, plant, port, dial, peer: await dial() };
}

class Peer {
  readonly socket: Socket;
  bytes = "";
  closed = false;
  #wake = (): void => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.bytes += chunk.toString("hex");
      this.#wake();
    });
    socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Sends a PDU to a unit as transaction 7. */
  send(pdu: string, unit = 1): void {
    this.socket.write(Buffer.from(`00070000${(pdu.length / 2 + 1).toString(16).padStart(4, "0")}${unit.toString(16).padStart(2, "0")}${pdu}`, "hex"));
  }

  /** The next bytes as hex once there are so many, or, when the connection has ended, all there are. */
  async take(bytes: number): Promise<string> {
    while (this.bytes.length < 2 * bytes && !this.closed) await new Promise<void>((resolve) => (this.#wake = resolve));
    const taken = this.bytes.slice(0, 2 * bytes);
    this.bytes = this.bytes.slice(2 * bytes);
    return taken;
  }
}

const read = "0300000002";
const good = "000700000007010304" + "00000001";

/** What the answer to `read` becomes. */
const cases: readonly [FaultInput, string][] = [
  [{ kind: "exception", code: 6 }, "000700000003018306"],
  [{ kind: "short-frame", missing: 2 }, "000700000005010304" + "0000"],
  [{ kind: "short-frame", missing: 3, header: false }, "000700000007010304" + "00"],
  [{ kind: "wrong-transaction" }, "005200000007010304" + "00000001"],
  [{ kind: "wrong-unit" }, "000700000007020304" + "00000001"],
];

for (const [fault, spoiled] of cases) {
  test(`ModbusConnection plays ${JSON.stringify(fault)} and answers rightly when it is over`, async (t) => {
    const { plant, peer } = await serve(t);
    plant.faults.inject({ ...fault, count: 1 } as FaultInput);
    peer.send(read);
    assert.equal(await peer.take(spoiled.length / 2), spoiled);
    peer.send(read);
    assert.equal(await peer.take(13), good);
    assert.deepEqual(plant.faults.active, []);
  });
}

test("ModbusConnection plays no-answer to the unit, function and addresses that the fault names", async (t) => {
  const { plant, peer } = await serve(t);
  const { id } = plant.faults.inject({ kind: "no-answer", unit: 2, functions: [3], table: "holding-register", addresses: [1, 1] });
  peer.send(read, 2);
  peer.send("0300020001", 2);
  assert.equal(await peer.take(11), "00070000000502030200" + "02", "only the second is answered");
  peer.send(read, 1);
  assert.equal(await peer.take(13), good);
  assert.deepEqual([plant.faults.active[0]?.hits, plant.faults.clear(id), plant.requests.total({ unit: 2, function: 3 }), plant.requests.total()], [1, 1, 2, 3]);
  peer.send(read, 2);
  assert.equal((await peer.take(13)).slice(12), "020304" + "00000001");
});

test("ModbusConnection plays garbage of the answer's length", async (t) => {
  const { plant, peer } = await serve(t);
  plant.faults.inject({ kind: "garbage", count: 1 });
  peer.send(read);
  const bytes = await peer.take(13);
  assert.notEqual(bytes, good);
  assert.equal(bytes.length, good.length);
});

test("ModbusConnection drops a connection before an answer and in the middle of one", async (t) => {
  const { plant, peer, dial } = await serve(t);
  plant.faults.inject({ kind: "drop", count: 1 });
  peer.send(read);
  assert.equal(await peer.take(13), "");
  assert.ok(peer.closed);
  const second = await dial();
  plant.faults.inject({ kind: "drop", within: true, count: 1 });
  second.send(read);
  assert.equal(await second.take(13), good.slice(0, 12));
  assert.ok(second.closed);
  const third = await dial();
  third.send(read);
  assert.equal(await third.take(13), good);
});

test("ModbusConnection answers slowly for one unit and at once for the others", async (t) => {
  const { clock, plant, peer } = await serve(t, { except: [{ units: [3], latency: 400 }, { units: [4], dead: true }] });
  plant.faults.inject({ kind: "slow", unit: 2, delay: "1s", for: "1m" });
  for (const unit of [4, 2, 3, 1]) peer.send(read, unit);
  assert.equal((await peer.take(13)).slice(12, 14), "01");
  await clock.advance(399);
  assert.equal(peer.bytes, "");
  await clock.advance(1);
  assert.equal((await peer.take(13)).slice(12, 14), "03");
  await clock.advance(600);
  assert.equal((await peer.take(13)).slice(12, 14), "02");
  await clock.advance(60_000);
  assert.deepEqual([plant.faults.active, peer.bytes], [[], ""], "unit 4 is dead");
});

for (const kind of ["refuse", "restart"] as const) {
  test(`openDoor() closes the port while a ${kind} is on it and opens it again`, async (t) => {
    const { clock, plant, port, peer, dial } = await serve(t);
    peer.send("0600030009");
    await peer.take(12);
    plant.faults.inject({ kind, for: "5s" });
    await peer.take(1);
    assert.ok(peer.closed);
    const refused = connect(port, "127.0.0.1");
    const [error] = (await once(refused, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
    await clock.advance(5_000);
    const again = await dialUntil(dial);
    again.send("0300030001");
    assert.equal(await again.take(11), "00070000000501030200" + (kind === "restart" ? "03" : "09"), "a restarted unit has forgotten what was written");
  });
}

/** Opening a port takes a moment that no clock counts. */
async function dialUntil(dial: () => Promise<Peer>): Promise<Peer> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await dial();
    } catch (error) {
      if (attempt > 1_000) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

test("ModbusConnection speaks RTU over TCP, passes over noise and is silent for units that are not there", async (t) => {
  const { plant, peer } = await serve(t, { framing: "rtu" });
  const frame = (hex: string): Buffer => {
    const body = Buffer.from(hex, "hex");
    const crc = crc16(body);
    return Buffer.concat([body, Buffer.of(crc & 0xff, crc >> 8)]);
  };
  assert.equal(frame("010300000002").toString("hex"), "010300000002c40b", "the check sum as other masters send it");
  peer.socket.write(frame("090300000002"));
  peer.socket.write(frame("0103").subarray(0, 2));
  peer.socket.write(frame("010300000002").subarray(2));
  assert.equal(await peer.take(9), frame("01030400000001").toString("hex"));
  peer.socket.write(Buffer.concat([frame("011000030002040007" + "0008"), frame("01160000fffe0001"), frame("010f000000020101")]));
  assert.equal(await peer.take(8 + 10 + 8), Buffer.concat([frame("011000030002"), frame("01160000fffe0001"), frame("010f00000002")]).toString("hex"));
  plant.faults.inject({ kind: "wrong-transaction", count: 1 });
  peer.socket.write(frame("010300000001"));
  assert.notEqual(await peer.take(7), frame("0103020001").toString("hex"), "a wrong check sum");
  peer.socket.write(frame("010300000001"));
  assert.equal(await peer.take(7), frame("0103020001").toString("hex"));
});

test("openSimulatedPlant() counts requests by port, unit and function", async (t) => {
  const { plant, peer, port } = await serve(t);
  for (const unit of [1, 1, 2]) peer.send(read, unit);
  peer.send("0100000001", 2);
  await peer.take(3 * 13 + 10);
  assert.deepEqual(plant.requests.rows(), [{ port, unit: 1, function: 3, requests: 2 }, { port, unit: 2, function: 3, requests: 1 }, { port, unit: 2, function: 1, requests: 1 }]);
  plant.requests.reset();
  assert.equal(plant.requests.total(), 0);
});
