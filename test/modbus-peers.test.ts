import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, testPlugin, until } from "@busbar/core/testkit";
import modbus from "@busbar/modbus";
import { probeModbus } from "@busbar/modbus/probe";
import opcuaSim from "@busbar/opcua-sim";

const python = "/usr/bin/python3";
const script = fileURLToPath(new URL("support/modbus-peer.py", import.meta.url));
const source = fileURLToPath(new URL("support/modbus-peer.c", import.meta.url));

const works = (command: string, ...words: string[]): boolean => spawnSync(command, words, { stdio: "ignore" }).status === 0;
const noPymodbus = works(python, "-c", "from pymodbus.server import StartAsyncTcpServer") ? false : "pymodbus is not installed";
const noLibmodbus = works("pkg-config", "--exists", "libmodbus") && works("cc", "--version") ? false : "libmodbus, or a C compiler, is not installed";
const noMbpoll = spawnSync("mbpoll", ["-h"]).error === undefined ? false : "mbpoll is not installed";

/** Starts a server that listens on a port, and waits until it does. */
async function start(t: TestContext, command: string, words: (port: number) => readonly string[]): Promise<number> {
  const port = await freePort();
  const child: ChildProcess = spawn(command, words(port), { stdio: "ignore" });
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  await until("it listens", () => new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  }));
  return port;
}

const startPymodbus = (t: TestContext, framing: "tcp" | "rtu" = "tcp") => start(t, python, (port) => [script, String(port), framing]);

async function startLibmodbus(t: TestContext): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "busbar-libmodbus-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, "peer");
  const flags = execFileSync("pkg-config", ["--cflags", "--libs", "libmodbus"], { encoding: "utf8" }).trim().split(/\s+/);
  execFileSync("cc", [source, "-o", program, ...flags]);
  return await start(t, program, (port) => [String(port)]);
}

type Gateway = Awaited<ReturnType<typeof testPlugin>>;
interface Payload {
  readonly values: readonly { readonly tag: string; readonly value: unknown; readonly quality: string; readonly code?: string }[];
}

async function open(t: TestContext, config: object): Promise<Gateway> {
  const gateway = await testPlugin(modbus, { host: "127.0.0.1", allowWrites: true, ...config });
  t.after(() => gateway.stop());
  return gateway;
}

/** The next readings of the device, as [tag, value, quality]. */
async function readings(gateway: Gateway): Promise<readonly (readonly unknown[])[]> {
  const { values } = (await gateway.next("status/d")).payload as Payload;
  return values.map(({ tag, value, quality }) => [tag, value, quality]);
}

const send = async (gateway: Gateway, set: object): Promise<{ readonly status: string; readonly result: unknown }> =>
  (await gateway.bus.request({ type: "command", from: "boss", to: "d", payload: { set } }, { signal: AbortSignal.timeout(20_000) })).payload as { readonly status: string; readonly result: unknown };

const holding = (tag: string, address: number, more: object = {}) => ({ tag, table: "holding", address, ...more });

/** What pymodbus laid out, from an address on. */
const numbers = (order: string, at: number) => [
  holding(`float32-${order}`, at, { type: "float32", order }), holding(`int32-${order}`, at + 2, { type: "int32", order }),
  holding(`uint64-${order}`, at + 4, { type: "uint64", order }), holding(`float64-${order}`, at + 8, { type: "float64", order }),
];
const numberValues = (order: string) => [[`float32-${order}`, 123456.5, "good"], [`int32-${order}`, -123456789, "good"], [`uint64-${order}`, "18446744073709551615", "good"], [`float64-${order}`, -1.25, "good"]];

for (const framing of ["tcp", "rtu"] as const) {
  test(`modbus reads and writes what pymodbus serves, framing ${framing}`, { skip: noPymodbus }, async (t) => {
    const port = await startPymodbus(t, framing);
    const gateway = await open(t, {
      port, framing,
      devices: [{
        id: "d", period: "50ms",
        points: [
          ...numbers("abcd", 0), ...numbers("cdab", 12), holding("int16", 24, { type: "int16" }), holding("text", 26, { type: "string", length: 8 }),
          { tag: "coil", table: "coil", address: 2, writable: true }, { tag: "discrete", table: "discrete", address: 1 }, { tag: "input", register: 30151 },
          holding("set", 30, { type: "float32", order: "cdab", writable: true }), holding("bit", 32, { bit: 5, writable: true }), holding("missing", 40),
        ],
      }],
    });
    const before = await readings(gateway);
    assert.deepEqual(before, [
      ...numberValues("abcd"), ...numberValues("cdab"), ["int16", -123, "good"], ["text", "pymodbus", "good"],
      ["coil", true, "good"], ["discrete", true, "good"], ["input", 1150, "good"], ["set", 0, "good"], ["bit", false, "good"], ["missing", null, "bad"],
    ]);
    assert.deepEqual(await send(gateway, { coil: false, set: -0.5, bit: true }).then(({ status, result }) => [status, result]), ["ok", { coil: false, set: -0.5, bit: true }]);
    assert.deepEqual((await readings(gateway)).filter(([tag]) => ["coil", "set", "bit"].includes(String(tag))), [["coil", false, "good"], ["set", -0.5, "good"], ["bit", true, "good"]]);
  });
}

test("probeModbus() reads the identification of pymodbus, and finds its floats", { skip: noPymodbus }, async (t) => {
  const port = await startPymodbus(t);
  const { units } = await probeModbus({ host: "127.0.0.1", port, count: 60 });
  assert.deepEqual([units[0]!.identification?.vendor, units[0]!.identification?.product, units[0]!.identification?.revision], ["pymodbus", "PM", "3.0"]);
  assert.equal(units[0]!.tables[0]!.registers.length, 40);
  assert.equal(units[0]!.tables[0]!.refusal, "modbus/02 illegal data address");
  assert.deepEqual(units[0]!.tables[0]!.registers[12]!.pair!.likely[0], { type: "float32", order: "cdab" });
});

test("modbus reads the four orders from libmodbus, and writes registers, coils and bits with a mask to it", { skip: noLibmodbus }, async (t) => {
  const port = await startLibmodbus(t);
  const floats = ["abcd", "cdab", "badc", "dcba"].map((order, n) => holding(order, 2 * n, { type: "float32", order, writable: true }));
  const gateway = await open(t, { port, devices: [{ id: "d", period: "50ms", maskWrite: "always", points: [...floats, holding("bit", 20, { bit: 5, writable: true }), holding("missing", 40), { tag: "input", table: "input", address: 150 }, { tag: "coil", table: "coil", address: 3, writable: true }] }] });
  assert.deepEqual(await readings(gateway), [...["abcd", "cdab", "badc", "dcba"].map((order) => [order, 123456.5, "good"]), ["bit", false, "good"], ["missing", null, "bad"], ["input", 1150, "good"], ["coil", false, "good"]]);
  const set = { abcd: 1.5, cdab: -2.5, badc: 1e10, dcba: 0.1, bit: true, coil: true };
  assert.deepEqual(await send(gateway, set).then(({ status, result }) => [status, result]), ["ok", set]);
});

test("mbpoll sees what modbus writes to the simulator, and modbus what mbpoll writes", { skip: noMbpoll }, async (t) => {
  const tag = (name: string, value: number, more: object = {}) => ({ name, signal: { kind: "setpoint", value }, ...more });
  const plant = { machines: [{ id: "oven", tags: [tag("target", 150.5, { range: [0, 300] }), tag("level", 7, { kind: "int", range: [0, 100] })] }] };
  const sim = await testPlugin(opcuaSim, { plant, allowWrites: true, opcua: { enabled: false }, modbus: { port: 0 } });
  t.after(() => sim.stop());
  const port = Number(new URL(sim.urls[0]!).port);
  const mbpoll = async (...words: string[]): Promise<string> => {
    const child = spawn("mbpoll", ["-m", "tcp", "-p", String(port), "-a", "1", "-0", "-1", "-q", ...words]);
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk));
    await once(child, "exit");
    return text;
  };
  const gateway = await open(t, { port, devices: [{ id: "d", period: "50ms", points: [holding("target", 0, { type: "float32", writable: true }), holding("level", 2, { writable: true })] }] });
  assert.deepEqual(await readings(gateway), [["target", 150.5, "good"], ["level", 7, "good"]]);
  assert.equal((await send(gateway, { target: 20.25, level: 42 })).status, "ok");
  assert.match(await mbpoll("-r", "0", "-t", "4:float", "-B", "127.0.0.1"), /\[0\]:\s+20\.25/);
  assert.match(await mbpoll("-r", "2", "-t", "4", "127.0.0.1"), /\[2\]:\s+42/);
  await mbpoll("-r", "2", "-t", "4", "127.0.0.1", "55");
  await until("what mbpoll wrote is read", async () => (await readings(gateway)).some(([name, value]) => name === "level" && value === 55));
});
