import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlugin } from "@busbar/core/testkit";
import type { ModbusProbeReport } from "@busbar/modbus/probe";
import opcuaSim from "@busbar/opcua-sim";
import { openFolder, runBusbar } from "../testing/busbar.ts";

const tag = (name: string, value: number | boolean, more: object = {}) => ({ name, signal: { kind: "setpoint", value }, ...more });

/** A plant whose holding registers are 0-1 float32 150.5, 2 uint16 7; coil 0 is on. */
const plant = { machines: [{ id: "oven", tags: [tag("target", 150.5, { range: [0, 300] }), tag("level", 7, { kind: "int", range: [0, 100] }), tag("on", true, { kind: "bool" })] }] };

async function openSim() {
  const gateway = await testPlugin(opcuaSim, { plant, opcua: { enabled: false }, modbus: { port: 0 } });
  const address = new URL(gateway.urls[0]!).host;
  return { address, [Symbol.asyncDispose]: () => gateway.stop() };
}

const probe = (...words: string[]) => runBusbar(["probe", "modbus", ...words], { cwd: ".", env: { NO_COLOR: "1" } });

test("busbar probe modbus prints every decode, and a config that busbar check takes", async () => {
  await using sim = await openSim();
  const { code, stdout, stderr } = await probe(sim.address, "--table", "all", "--count", "4");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /40001 +0 +4316 +17174 .*0100 0011 0001 0110/);
  assert.match(stdout, /0-1 +float32 +150\.5 .* abcd$/m);
  assert.match(stdout, /00001 +0 +on/);
  assert.match(stdout, /the rest is refused: modbus\/02 illegal data address/);
  const yaml = stdout.slice(stdout.indexOf("plugins:"));
  assert.match(yaml, /\{ tag: holding-0, table: holding, address: 0, type: float32 \} +# 150\.5\n +- \{ tag: holding-2, table: holding, address: 2, type: uint16 \} +# 7\n/);
  await using folder = await openFolder({ "busbar.yaml": yaml });
  assert.deepEqual(await runBusbar(["check"], { cwd: folder.path }).then(({ stdout: checked, code: ended }) => [ended, checked.trim()]), [0, "config ok: 1 plugin, 0 routes"]);
});

test("busbar probe modbus --json says what was found, and which units are silent", async () => {
  await using sim = await openSim();
  const { code, stdout } = await probe(sim.address, "--unit", "1-2", "--count", "3", "--json");
  const { units, requests } = JSON.parse(stdout) as ModbusProbeReport;
  assert.equal(code, 0);
  assert.deepEqual(units[0]!.tables[0]!.registers.map(({ register, uint16 }) => [register, uint16]), [["40001", 0x4316], ["40002", 0x8000], ["40003", 7]]);
  assert.equal(units[0]!.tables[0]!.registers[0]!.pair!.types.float32!.abcd, 150.5);
  assert.deepEqual([units[1]!.unit, units[1]!.fault], [2, "modbus/0B gateway target device failed to respond"]);
  assert.ok(requests >= 2);
});

test("busbar probe modbus ends with 69 when nobody is there", async () => {
  const { code, stderr } = await probe("127.0.0.1:1");
  assert.equal(code, 69);
  assert.match(stderr, /Cannot connect to 127\.0\.0\.1:1: ECONNREFUSED/);
});

for (const [words, line] of [
  [["modbux", "127.0.0.1"], /^busbar: probe: the protocol must be .*, not "modbux"; did you mean modbus\?$/],
  [["modbus", "http://x/y"], /^busbar: probe: the address must be host, host:port or the path of a serial line, not "http:\/\/x\/y"$/],
  [["modbus", "127.0.0.1", "--unit", "9-3"], /^busbar: probe: --unit must be ids from 0 to 255 such as 1 or 1-10,20, not "9-3"$/],
] as const) {
  test(`busbar probe ${words.join(" ")} is refused with 64`, async () => {
    const { code, stderr } = await runBusbar(["probe", ...words], { cwd: "." });
    assert.match(stderr.trimEnd(), line);
    assert.equal(code, 64);
  });
}
