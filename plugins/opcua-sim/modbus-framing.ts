import type { Deframer } from "@busbar/core";
import { createModbusDeframer, encodeModbusAnswer, modbusPdu, modbusUnitId } from "./modbus-frame.ts";
import { createRtuDeframer, encodeRtuFrame } from "./modbus-rtu-frame.ts";

/** How PDUs lie in a TCP stream. */
export interface ModbusFraming {
  readonly name: "tcp" | "rtu";
  /** `dropped` is told when bytes that make no frame were passed over. */
  createDeframer(dropped: () => void): Deframer;
  /** The unit id of a whole frame. */
  unitOf(frame: Uint8Array): number;
  /** The PDU of a whole frame, a view. */
  pduOf(frame: Uint8Array): Uint8Array;
  /** The frame that answers `request`. */
  encode(request: Uint8Array, pdu: Uint8Array): Uint8Array;
}

/** Modbus TCP, and Modbus RTU carried over TCP as serial device servers do. */
export const modbusFramings: Readonly<Record<ModbusFraming["name"], ModbusFraming>> = {
  tcp: { name: "tcp", createDeframer: createModbusDeframer, unitOf: modbusUnitId, pduOf: modbusPdu, encode: encodeModbusAnswer },
  rtu: {
    name: "rtu",
    createDeframer: createRtuDeframer,
    unitOf: (frame) => frame[0]!,
    pduOf: (frame) => frame.subarray(1, -2),
    encode: (request, pdu) => encodeRtuFrame(request[0]!, pdu),
  },
};
