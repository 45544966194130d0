# A Modbus server by pymodbus 3.0: `modbus-peer.py <port> <tcp|rtu>`. Its own code lays the numbers out; unit 1 has 40 holding registers, so that 40 is an address that it refuses.
import asyncio
import sys

from pymodbus.constants import Endian
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.payload import BinaryPayloadBuilder
from pymodbus.server import StartAsyncTcpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer


def registers():
    words = []
    for byte, word in [(Endian.Big, Endian.Big), (Endian.Big, Endian.Little)]:
        builder = BinaryPayloadBuilder(byteorder=byte, wordorder=word)
        builder.add_32bit_float(123456.5)
        builder.add_32bit_int(-123456789)
        builder.add_64bit_uint(18446744073709551615)
        builder.add_64bit_float(-1.25)
        words += builder.to_registers()
    builder = BinaryPayloadBuilder(byteorder=Endian.Big)
    builder.add_16bit_int(-123)
    builder.add_16bit_uint(65535)
    builder.add_string("pymodbus")
    words += builder.to_registers()
    return words + [0] * (40 - len(words))


async def main():
    unit = ModbusSlaveContext(
        co=ModbusSequentialDataBlock(0, [1, 0] * 10),
        di=ModbusSequentialDataBlock(0, [0, 1, 1] * 10),
        hr=ModbusSequentialDataBlock(0, registers()),
        ir=ModbusSequentialDataBlock(0, list(range(1000, 1200))),
        zero_mode=True,
    )
    identity = ModbusDeviceIdentification(info_name={"VendorName": "pymodbus", "ProductCode": "PM", "MajorMinorRevision": "3.0"})
    framer = ModbusRtuFramer if sys.argv[2] == "rtu" else ModbusSocketFramer
    await StartAsyncTcpServer(context=ModbusServerContext(slaves={1: unit}, single=False), identity=identity, framer=framer, address=("127.0.0.1", int(sys.argv[1])))


asyncio.run(main())
