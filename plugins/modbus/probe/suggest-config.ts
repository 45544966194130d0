import type { SerialSettings } from "../serial-port.ts";
import type { ProbedTable, ProbedUnit } from "./probe.ts";

/** Points that a suggestion names at the most, per unit: nobody pastes more than that unread. */
const mostPoints = 200;

interface Place {
  readonly host?: string | undefined;
  readonly port: number;
  readonly serial?: SerialSettings | undefined;
  readonly framing: "tcp" | "rtu";
}

/** A section for a config that reads what was found, as YAML: the tags want better names, the types are guesses. Empty where no unit showed anything. */
export function suggestConfig(units: readonly ProbedUnit[], place: Place): string {
  const useful = units.map((unit) => ({ unit: unit.unit, identification: unit.identification, points: unit.tables.flatMap(pointsOf) })).filter(({ points }) => points.length > 0);
  if (useful.length === 0) return "";
  const lines = ["plugins:", "  modbus:", ...placeLines(place).map((line) => `    ${line}`), "    devices:"];
  for (const { unit, identification, points } of useful) {
    const names = [identification?.vendor, identification?.product].filter((text) => text !== undefined);
    lines.push(`      - id: unit-${unit}${names.length === 0 ? "" : `                  # ${names.join(" ")}`}`, `        unit: ${unit}`, "        points:");
    lines.push(...points.slice(0, mostPoints).map((point) => `          - ${point}`));
    if (points.length > mostPoints) lines.push(`          # and ${points.length - mostPoints} more`);
  }
  return lines.join("\n") + "\n";
}

function placeLines({ host, port, serial, framing }: Place): readonly string[] {
  if (serial) return [`serial: { path: ${JSON.stringify(serial.path)}, baudRate: ${serial.baudRate}, parity: ${serial.parity}, stopBits: ${serial.stopBits} }`];
  return [`host: ${JSON.stringify(host)}`, ...(port === 502 ? [] : [`port: ${port}`]), ...(framing === "rtu" ? ["framing: rtu"] : [])];
}

/** Each register once: as part of the pair it most likely is, else by itself. */
function pointsOf({ table, registers, bits }: ProbedTable): readonly string[] {
  const points = bits.map(({ address, value }) => `{ tag: ${table}-${address}, table: ${table}, address: ${address} }   # ${value ? "on" : "off"}`);
  for (let at = 0; at < registers.length; at++) {
    const one = registers[at]!;
    const likely = one.pair?.likely[0];
    const where = `tag: ${table}-${one.address}, table: ${table}, address: ${one.address}`;
    // A small whole number next to another register is more often a register of its own than half of a pair.
    if (likely === undefined || !likely.type.startsWith("float")) {
      points.push(`{ ${where}, type: uint16 }   # ${one.uint16}${one.int16 < 0 ? `, as int16 ${one.int16}` : ""}`);
      continue;
    }
    const order = likely.order === "abcd" ? "" : `, order: ${likely.order}`;
    points.push(`{ ${where}, type: ${likely.type}${order} }   # ${one.pair!.types[likely.type]![likely.order]}`);
    at++;
  }
  return points;
}
