import { modbusException, ModbusRefusal } from "./modbus-bank.ts";

/** What a device says of itself: the objects 0 to 6 of Modbus V1.1b3 §6.21, each at most 128 ASCII characters. */
export interface DeviceIdentity {
  readonly vendorName: string;
  readonly productCode: string;
  readonly revision: string;
  readonly vendorUrl: string;
  readonly productName: string;
  readonly modelName: string;
  readonly applicationName: string;
}

/** The identity of everything that is simulated; `applicationName` tells one unit from another. */
export function simulatedIdentity(applicationName: string, modelName: string): DeviceIdentity {
  return { vendorName: "Busbar", productCode: "opcua-sim", revision: "1.0", vendorUrl: "https://busbar.example", productName: "Busbar simulated plant", modelName, applicationName };
}

/** Conformity level: the extended objects are known (there are none), as a stream and one by one. */
const conformity = 0x83;

/**
 * Answers function 43/14 (Modbus V1.1b3 §6.21): the basic (1), regular (2) or extended (3) objects as a stream, or one of them (4).
 * @throws {ModbusRefusal} illegal data value for another access, illegal data address for a single object that is not there.
 */
export function answerIdentification(pdu: Uint8Array, identity: DeviceIdentity): Uint8Array {
  if (pdu.length !== 4) throw new ModbusRefusal(modbusException.illegalDataValue);
  const [, , access = 0, first = 0] = pdu;
  const objects = [identity.vendorName, identity.productCode, identity.revision, identity.vendorUrl, identity.productName, identity.modelName, identity.applicationName];
  if (access < 1 || access > 4) throw new ModbusRefusal(modbusException.illegalDataValue);
  if (access === 4 && first >= objects.length) throw new ModbusRefusal(modbusException.illegalDataAddress);
  const end = access === 4 ? first + 1 : access === 1 ? 3 : objects.length;
  const from = first < end ? first : 0; // a stream that is to begin at no known object begins anew
  const parts = [Uint8Array.of(0x2b, 0x0e, access, conformity, 0, 0, 0)];
  let length = 7;
  for (let id = from; id < end; id++) {
    const text = new TextEncoder().encode(objects[id]).subarray(0, 128);
    if (length + 2 + text.length > 253) {
      parts[0]!.set([0xff, id], 4); // more follows, from this object on
      break;
    }
    parts.push(Uint8Array.of(id, text.length), text);
    length += 2 + text.length;
    parts[0]![6]!++;
  }
  return Buffer.concat(parts);
}
