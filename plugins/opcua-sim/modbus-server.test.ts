import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { delimiter, join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { BusbarError, createLog, type LogRecord, MetricsRegistry } from "@busbar/core";
import { fakeClock } from "@busbar/core/testkit";
import { ModbusTCPClient } from "jsmodbus";
import * as v from "valibot";
import { compilePlant } from "./compiled-plant.ts";
import { defaultPlant } from "./default-plant.ts";
import { Faults } from "./faults.ts";
import { modbusFramings } from "./modbus-framing.ts";
import { plantBanks } from "./modbus-plant-bank.ts";
import { ModbusRequests } from "./modbus-requests.ts";
import { openModbusServer } from "./modbus-server.ts";
import { plantSchema } from "./plant.ts";
import { Simulation } from "./simulation.ts";

async function serve(t: TestContext, limits: { readonly maxConnections?: number; readonly port?: number } = {}) {
  const clock = fakeClock();
  const records: LogRecord[] = [];
  const simulation = new Simulation(compilePlant(v.parse(plantSchema, defaultPlant)), { start: clock.now() });
  const refused = { value: 0 };
  const log = createLog({ clock, level: "debug", write: (record) => void records.push(record) });
  const server = await openModbusServer({ banks: plantBanks(simulation), framing: modbusFramings.tcp, faults: new Faults(clock), requests: new ModbusRequests(new MetricsRegistry()), writes: { allowed: true, permits: () => true, check: () => {} }, clock, log, refused, host: "127.0.0.1", port: limits.port ?? 0, maxConnections: limits.maxConnections ?? 10, idleTimeout: 60_000 });
  t.after(() => server.close());
  return { clock, records, simulation, refused, server };
}

/** jsmodbus must hold the socket before it is connected. */
async function client(port: number, unit: number): Promise<ModbusTCPClient> {
  const socket = connect(port, "127.0.0.1");
  const modbus = new ModbusTCPClient(socket, unit);
  await once(socket, "connect");
  return modbus;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** The next `length` bytes, as hex. */
async function take(socket: Socket, length: number): Promise<string> {
  const chunks: Buffer[] = [];
  for (let have = 0; have < length; ) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    chunks.push(chunk);
    have += chunk.length;
  }
  return Buffer.concat(chunks).toString("hex");
}

const exceptionOf = async (request: Promise<unknown>): Promise<number> => {
  const error = await request.then(() => assert.fail("was not refused"), (error: unknown) => error);
  const { response } = error as { response?: { body?: { code?: number } } };
  assert.equal(typeof response?.body?.code, "number", String(error));
  return response!.body!.code!;
};

test("openModbusServer() serves readings and set points to an independent client", async (t) => {
  const { simulation, server, refused } = await serve(t);
  const pump = await client(server.port, 2);
  const tag = (name: string) => simulation.machine("pump-1")!.tags.find((one) => one.name === name)!;
  const input = await pump.readInputRegisters(0, 10);
  const registers = input.response.body.valuesAsBuffer;
  assert.equal(registers.readFloatBE(0), Math.fround(simulation.value(tag("speed")) as number));
  assert.equal(registers.readFloatBE(4), Math.fround(simulation.value(tag("flow")) as number));
  const speed = Buffer.alloc(4);
  speed.writeFloatBE(2_100.5);
  await pump.writeMultipleRegisters(0, speed);
  assert.equal(simulation.value(tag("speed-set")), 2_100.5);
  assert.equal((await pump.readHoldingRegisters(0, 2)).response.body.valuesAsBuffer.readFloatBE(0), 2_100.5);
  assert.deepEqual((await pump.readCoils(0, 1)).response.body.valuesAsArray.slice(0, 1), [1]);
  await pump.writeSingleCoil(0, false);
  assert.equal(simulation.value(tag("running")), false);
  assert.equal(await exceptionOf(pump.readHoldingRegisters(2, 1)), 2);
  assert.equal(await exceptionOf(pump.writeSingleRegister(0, 5)), 2);
  const lamp = await client(server.port, 5);
  await lamp.writeSingleRegister(0, 40);
  assert.equal(simulation.value(simulation.machine("lamp-1")!.tags[1]!), 40);
  assert.equal(await exceptionOf(lamp.writeSingleRegister(0, 101)), 3);
  assert.equal(refused.value, 3);
  pump.socket.destroy();
  lamp.socket.destroy();
});

test("openModbusServer() answers for an unknown unit with exception 11", async (t) => {
  const { server } = await serve(t);
  const socket = await dial(server.port);
  for (const unit of ["00", "07", "ff"]) {
    socket.write(Buffer.from(`00010000 0006 ${unit} 0300000001`.replaceAll(" ", ""), "hex"));
    assert.equal(await take(socket, 9), `000100000003${unit}830b`);
  }
  socket.destroy();
});

test("openModbusServer() answers pipelined requests in order, however they are chunked", async (t) => {
  const { server } = await serve(t);
  const socket = await dial(server.port);
  const requests = Buffer.concat(Array.from({ length: 100 }, (_, k) => Buffer.from(`00${k.toString(16).padStart(2, "0")}00000006020100000001`, "hex")));
  const answers = take(socket, 100 * 10);
  for (let at = 0; at < requests.length; at += 17) socket.write(requests.subarray(at, at + 17));
  const transactions = (await answers).match(/.{20}/g)!.map((one) => Number.parseInt(one.slice(0, 4), 16));
  assert.deepEqual(transactions, Array.from({ length: 100 }, (_, k) => k));
  socket.destroy();
});

test("openModbusServer() cuts off what is not Modbus, after the answers before it, and nobody else", async (t) => {
  const { server, records, refused } = await serve(t);
  const neighbour = await dial(server.port);
  for (const garbage of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\u0000\u0001\u0000\u0000\u00ff\u00ff\u0001"]) {
    const socket = await dial(server.port);
    const answer = take(socket, 10);
    socket.write(Buffer.concat([Buffer.from("000100000006020100000001", "hex"), Buffer.from(garbage, "latin1")]));
    assert.equal(await answer, "00010000000402010101");
    await once(socket, "close");
  }
  neighbour.write(Buffer.from("000900000006020100000001", "hex"));
  assert.equal(await take(neighbour, 10), "00090000000402010101");
  assert.equal(refused.value, 2);
  assert.equal(records.filter((record) => record.message === "modbus connection cut off").length, 1, "one line a second");
  neighbour.destroy();
});

test("openModbusServer() stops reading from a client that does not read", async (t) => {
  const { server } = await serve(t);
  const socket = await dial(server.port);
  socket.pause();
  const burst = Buffer.concat(Array.from({ length: 2_000 }, () => Buffer.from("00010000000602040000000a", "hex")));
  let flowing = true;
  for (let sent = 0; flowing && sent < 64 * 1024 ** 2; sent += burst.length) {
    if (socket.write(burst)) continue;
    const drained = once(socket, "drain").then(() => true);
    const stalled = new Promise<boolean>((resolve) => void setTimeout(() => resolve(false), 300).unref());
    flowing = await Promise.race([drained, stalled]);
  }
  assert.equal(flowing, false, "64 MiB of requests were taken without one answer being read");
  const answers = once(socket, "data");
  socket.resume();
  await answers;
  socket.destroy();
});

test("openModbusServer() turns away one connection too many", async (t) => {
  const { server, refused } = await serve(t, { maxConnections: 2 });
  const kept = [await dial(server.port), await dial(server.port)];
  for (const [k, socket] of kept.entries()) {
    socket.write(Buffer.from(`000${k}00000006020100000001`, "hex"));
    await take(socket, 10);
  }
  const extra = connect(server.port, "127.0.0.1");
  extra.on("error", () => {}); // whether it ends or is reset is up to the system
  await once(extra, "close");
  assert.equal(refused.value, 1);
  assert.equal(server.connections, 2);
  for (const socket of kept) socket.destroy();
});

test("openModbusServer() closes a connection that says nothing", async (t) => {
  const { server, clock } = await serve(t);
  const quiet = await dial(server.port);
  const lively = await dial(server.port);
  lively.write(Buffer.from("000100000006020100000001", "hex"));
  await take(lively, 10);
  await clock.advance(45_000);
  lively.write(Buffer.from("000200000006020100000001", "hex"));
  await take(lively, 10);
  const closed = once(quiet, "close");
  await clock.advance(15_000);
  await closed;
  assert.equal(lively.destroyed, false);
  lively.destroy();
  await server.close();
  assert.equal(clock.timers, 0);
});

test("openModbusServer() says which port is in use", async (t) => {
  const { server } = await serve(t);
  await assert.rejects(serve(t, { port: server.port }), (error) => error instanceof BusbarError && error.code === "UNAVAILABLE" && error.message === `Cannot listen on 127.0.0.1:${server.port}: the port is in use`);
});

const mbpoll = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "mbpoll")).find((file) => existsSync(file));

test("openModbusServer() serves mbpoll", { skip: mbpoll === undefined ? "the program mbpoll is not installed" : false }, async (t) => {
  const { server, simulation } = await serve(t);
  const { stdout } = await promisify(execFile)(mbpoll!, ["-m", "tcp", "-p", String(server.port), "-a", "2", "-0", "-r", "0", "-c", "1", "-t", "4:float", "-B", "-1", "127.0.0.1"]);
  assert.match(stdout, /\[0\]:\s+1450/);
  assert.equal(simulation.value(simulation.machine("pump-1")!.tags[1]!), 1_450);
});
