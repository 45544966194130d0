import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { openSimulatedPlant } from "./simulated-plant.ts";

/** The client that nobody of us wrote: what it reads and writes of a unit, as JSON. Its API is that of pymodbus 3.0. */
const script = `
import json, sys
from pymodbus.client import ModbusTcpClient
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer
from pymodbus.payload import BinaryPayloadDecoder
from pymodbus.constants import Endian
from pymodbus.register_read_message import ReadWriteMultipleRegistersRequest
from pymodbus.register_write_message import MaskWriteRegisterRequest
from pymodbus.mei_message import ReadDeviceInformationRequest
port, framing = int(sys.argv[1]), sys.argv[2]
client = ModbusTcpClient("127.0.0.1", port=port, framer=ModbusRtuFramer if framing == "rtu" else ModbusSocketFramer, timeout=20)
client.connect()
out = {}
out["holding"] = client.read_holding_registers(2, 3, slave=1).registers
out["gap"] = client.read_holding_registers(8, 4, slave=1).exception_code
out["float"] = BinaryPayloadDecoder.fromRegisters(client.read_input_registers(0, 2, slave=1).registers, byteorder=Endian.Big, wordorder=Endian.Little).decode_32bit_float()
out["coils"] = client.read_coils(0, 4, slave=1).bits[:4]
client.write_registers(0, [7, 9], slave=1)
mask = MaskWriteRegisterRequest(0, 0xfff0, 0x0008)
mask.unit_id = 1 # client.mask_write_register of 3.0 asks unit 0 whatever it is told, as others do
client.execute(mask)
client.write_coil(1, True, slave=1)
out["written"] = client.read_holding_registers(0, 2, slave=1).registers
out["coil"] = client.read_coils(1, 1, slave=1).bits[0]
both = ReadWriteMultipleRegistersRequest(read_address=0, read_count=2, write_address=1, write_registers=[11])
both.unit_id = 1
out["both"] = client.execute(both).registers
if framing == "tcp":
    who = ReadDeviceInformationRequest()
    who.unit_id = 1
    out["identity"] = client.execute(who).information[0].decode()
client.close()
print(json.dumps(out))
`;

const python = "/usr/bin/python3";
const missing = spawnSync(python, ["-c", "import pymodbus; assert pymodbus.__version__.startswith('3.0')"]).status === 0 ? false : "pymodbus 3.0 is not installed for /usr/bin/python3";

for (const framing of ["tcp", "rtu"] as const) {
  test(`openModbusServer() serves pymodbus over ${framing}`, { skip: missing }, async (t) => {
    const blocks = [
      { table: "holding-register" as const, count: 8, pattern: { kind: "static" as const } },
      { table: "input-register" as const, type: "float32" as const, pattern: { kind: "static" as const, value: 42.5 } },
      { table: "coil" as const, count: 4, pattern: { kind: "static" as const, value: 0 } },
    ];
    const plant = await openSimulatedPlant({ plant: {}, allowWrites: true, opcua: { enabled: false }, modbus: { enabled: false, fleet: { ports: [0], units: 1, framing, wordOrder: "cdab", blocks } } });
    t.after(() => plant.close());
    const { stdout } = await promisify(execFile)(python, ["-c", script, String(plant.modbusFleet[0]!.port), framing], { timeout: 60_000 });
    const { identity, ...seen } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(seen, { holding: [2, 3, 4], gap: 2, float: 42.5, coils: [false, false, false, false], written: [8, 9], coil: true, both: [8, 11] });
    if (framing === "tcp") assert.equal(identity, "Busbar");
    assert.equal(plant.requests.total({ unit: 1, function: 3 }), 3);
  });
}
