import type { Fault, FaultOf } from "./fault.ts";
import type { ActiveFault } from "./faults.ts";
import type { ModbusTable } from "./modbus-bank.ts";
import type { ModbusFraming } from "./modbus-framing.ts";

/** What a fault may be narrowed to. */
export interface ModbusRequestPlace {
  /** TCP port of the listener. */
  readonly port: number;
  readonly unit: number;
  readonly machine: string | undefined;
  readonly pdu: Uint8Array;
  /** Gives a number in [0, 1) for each call. */
  readonly draw: () => number;
}

type RequestFault = FaultOf<"no-answer" | "slow" | "exception" | "drop" | "short-frame" | "wrong-transaction" | "wrong-unit" | "garbage">;
/** A fault of one request, and what it is counted by. */
export type ActiveRequestFault = ActiveFault & { readonly fault: RequestFault };

const requestKinds: ReadonlySet<Fault["kind"]> = new Set(["no-answer", "slow", "exception", "drop", "short-frame", "wrong-transaction", "wrong-unit", "garbage"]);

/** The first fault that strikes a request; undefined for none. */
export function findRequestFault(active: readonly ActiveFault[], place: ModbusRequestPlace): ActiveRequestFault | undefined {
  return active.find((one): one is ActiveRequestFault => strikes(one.fault, place));
}

function strikes(fault: Fault, place: ModbusRequestPlace): boolean {
  if (!requestKinds.has(fault.kind)) return false;
  const { protocol, port, unit, machine, functions, table, addresses, share } = fault as RequestFault;
  if (protocol === "opcua" || (port !== undefined && port !== place.port) || (unit !== undefined && unit !== place.unit) || (machine !== undefined && machine !== place.machine)) return false;
  if (functions && !functions.includes(place.pdu[0]!)) return false;
  if ((table !== undefined || addresses) && !spansOf(place.pdu).some((span) => (table === undefined || table === span.table) && (!addresses || (span.first <= addresses[1] && span.last >= addresses[0])))) return false;
  return share >= 1 || place.draw() < share;
}

interface Span {
  readonly table: ModbusTable;
  readonly first: number;
  readonly last: number;
}

const tables: Readonly<Record<number, ModbusTable>> = { 1: "coil", 2: "discrete-input", 3: "holding-register", 4: "input-register", 5: "coil", 6: "holding-register", 15: "coil", 16: "holding-register", 22: "holding-register", 23: "holding-register" };

/** The addresses that a request touches. */
function spansOf(pdu: Uint8Array): readonly Span[] {
  const table = tables[pdu[0]!];
  if (table === undefined) return [];
  const word = (at: number): number => ((pdu[at] ?? 0) << 8) | (pdu[at + 1] ?? 0);
  const span = (at: number, quantity: number): Span => ({ table, first: word(at), last: word(at) + Math.max(1, quantity) - 1 });
  if (pdu[0] === 23) return [span(1, word(3)), span(5, word(7))];
  return [span(1, [1, 2, 3, 4, 15, 16].includes(pdu[0]!) ? word(3) : 1)];
}

/** The bytes that go out instead of `frame`, the right answer. Over RTU, which has no transactions, a wrong one is a wrong check sum. */
export function spoilFrame(fault: RequestFault, frame: Uint8Array, options: { readonly framing: ModbusFraming; readonly draw: () => number }): Uint8Array {
  const { framing, draw } = options;
  const rtu = framing.name === "rtu";
  const spoiled = frame.slice();
  switch (fault.kind) {
    case "drop":
      return frame.subarray(0, frame.length >> 1);
    case "short-frame": {
      const pdu = framing.pduOf(frame);
      const cut = pdu.subarray(0, Math.max(1, pdu.length - fault.missing));
      return fault.header ? framing.encode(frame, cut) : frame.subarray(0, Math.max(1, frame.length - fault.missing));
    }
    case "wrong-transaction":
      spoiled[rtu ? frame.length - 1 : 1]! ^= 0x55;
      return spoiled;
    case "wrong-unit": {
      const unit = (framing.unitOf(frame) % 247) + 1;
      if (rtu) return framing.encode(Uint8Array.of(unit), framing.pduOf(frame));
      spoiled[6] = unit;
      return spoiled;
    }
    case "garbage":
      return spoiled.map(() => Math.floor(draw() * 256));
    default:
      return frame;
  }
}
