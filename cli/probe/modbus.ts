import process from "node:process";
import type { ModbusProbeReport, ProbedRegister, ProbedTable, ProbedUnit, WideDecodes } from "@busbar/modbus/probe";
import { Failure, usageFailure } from "../failure.ts";
import { formatTable, oneLine, paint, print } from "../terminal.ts";
import { defineProbe } from "./probe-protocol.ts";

const tables = ["holding", "input", "coil", "discrete"] as const;
const parities = ["none", "even", "odd"] as const;

/** `busbar probe modbus`. */
export const modbusProbe = defineProbe({
  address: "host[:port] (default port 502), or the path of a serial line such as /dev/ttyUSB0",
  options: {
    unit: { kind: "text", value: "ids", text: "modbus: unit ids that are asked, such as 1 or 1-10,20", fallback: "1" },
    table: { kind: "choice", of: [...tables, "all"], text: "modbus: which table", fallback: "holding" },
    address: { kind: "number", value: "n", min: 0, max: 65_535, whole: true, text: "modbus: first address, counted from 0", fallback: 0 },
    count: { kind: "number", value: "n", min: 1, max: 65_536, whole: true, text: "modbus: how many registers or bits", fallback: 10 },
    most: { kind: "number", value: "n", min: 1, max: 2000, whole: true, text: "modbus: how many at once at the most (default 125 registers, 2000 bits)" },
    rtu: { kind: "flag", text: "modbus: RTU frames over TCP, as serial servers pass them on" },
    baud: { kind: "number", value: "n", min: 50, max: 4_000_000, whole: true, text: "modbus: bits a second of a serial line", fallback: 19_200 },
    parity: { kind: "choice", of: parities, text: "modbus: parity of a serial line; without it two stop bits", fallback: "even" },
    timeout: { kind: "duration", min: 10, max: 60_000, text: "how long an answer may take (default 1s for modbus, 5s for opcua)" },
  },
  examples: [
    ["busbar probe modbus 192.168.1.20", "the first ten holding registers of unit 1"],
    ["busbar probe modbus 192.168.1.20 --table all --count 100", "what there is in each table"],
    ["busbar probe modbus 192.168.1.20 --unit 1-247 --count 1 --timeout 200ms", "which units there are"],
    ["busbar probe modbus /dev/ttyUSB0 --baud 9600 --unit 3 --table input", "on a serial line"],
  ],
  async run(address, options) {
    const { probeModbus } = await import("@busbar/modbus/probe");
    const interrupted = new AbortController();
    const interrupt = (): void => interrupted.abort(new Failure(130, []));
    process.once("SIGINT", interrupt);
    try {
      const report = await probeModbus({
        ...placeOf(address, options),
        units: parseUnits(options.unit),
        tables: options.table === "all" ? tables : [options.table],
        address: options.address,
        count: Math.min(options.count, 65_536 - options.address),
        ...(options.most === undefined ? {} : { most: options.most }),
        timeout: options.timeout ?? 1_000,
        signal: interrupted.signal,
      });
      print(options.json ? JSON.stringify(report) : formatReport(report));
      return report.units.some(({ fault }) => fault === undefined) ? 0 : 69;
    } finally {
      process.off("SIGINT", interrupt);
    }
  },
});

interface PlaceOptions {
  readonly rtu: boolean;
  readonly baud: number;
  readonly parity: (typeof parities)[number];
}

function placeOf(address: string, { rtu, baud, parity }: PlaceOptions) {
  if (address.startsWith("/") || /^COM\d+$/i.test(address)) return { serial: { path: address, baudRate: baud, dataBits: 8, parity, stopBits: parity === "none" ? 2 : 1 } } as const;
  const url = URL.canParse(`tcp://${address}`) ? new URL(`tcp://${address}`) : undefined;
  if (url === undefined || url.hostname === "" || url.pathname.length > 1) throw usageFailure(`probe: the address must be host, host:port or the path of a serial line, not "${oneLine(address)}"`);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 502), framing: rtu ? "rtu" : "tcp" } as const;
}

function parseUnits(text: string): readonly number[] {
  const units = text.split(",").flatMap((part) => {
    const [, first, last = first] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part) ?? [];
    return first === undefined || Number(last) > 255 || Number(last) < Number(first) ? [Number.NaN] : Array.from({ length: Number(last) - Number(first) + 1 }, (_, n) => Number(first) + n);
  });
  if (units.some(Number.isNaN)) throw usageFailure(`probe: --unit must be ids from 0 to 255 such as 1 or 1-10,20, not "${oneLine(text)}"`);
  return [...new Set(units)];
}

function formatReport({ target, units, requests, answerTime, yaml }: ModbusProbeReport): string {
  const parts = [`${target}: ${requests} requests${answerTime === undefined ? ", no answer" : `, answered in ${answerTime} ms (median)`}`];
  const silent = units.filter(({ fault, tables: found }) => fault !== undefined && found.length === 0);
  for (const unit of units) if (!silent.includes(unit)) parts.push(formatUnit(unit));
  if (silent.length > 0) parts.push(silent.map(({ unit, fault }) => `unit ${unit}: ${fault}`).join("\n"));
  if (yaml !== "") parts.push(`${paint("bold", "To paste into a config")} (tags and types are guesses: hold them against the device's manual)\n\n${yaml.trimEnd()}`);
  return parts.join("\n\n");
}

function formatUnit({ unit, identification = {}, fault, tables: found }: ProbedUnit): string {
  const who = Object.entries(identification).map(([name, text]) => `${name} ${JSON.stringify(text)}`);
  const head = paint("bold", `unit ${unit}`) + (who.length === 0 ? "" : `: ${who.join(", ")}`);
  return [head, ...found.map(formatFound), ...(fault === undefined ? [] : [`  then: ${fault}`])].join("\n");
}

function formatFound(found: ProbedTable): string {
  const { table, registers, bits, refusal } = found;
  const refused = refusal === undefined ? [] : [`  ${registers.length + bits.length === 0 ? `${table}: nothing to be read` : "the rest is refused"}: ${refusal}`];
  if (bits.length > 0) return [formatTable([[table.toUpperCase(), "ADDRESS", "VALUE"], ...bits.map((bit) => [bit.register, String(bit.address), bit.value ? "on" : "off"])], "  "), ...refused].join("\n");
  if (registers.length === 0) return refused.join("\n");
  const single = [[table.toUpperCase(), "ADDRESS", "HEX", "UINT16", "INT16", "BCD", "TEXT", "BITS 15-0"], ...registers.map((one) => [one.register, String(one.address), one.hex, String(one.uint16), one.int16 < 0 ? String(one.int16) : "", String(one.bcd16 ?? ""), one.text, one.bits.replace(/(.{4})(?=.)/g, "$1 ")])];
  return [formatTable(single, "  "), ...formatWide(registers), ...refused].join("\n");
}

const orders = ["abcd", "cdab", "badc", "dcba"] as const;

/** Every pair, and every four registers that may be a number of 64 bits; what is likely is marked. */
function formatWide(registers: readonly ProbedRegister[]): readonly string[] {
  const rows = registers.flatMap((one) => [
    ...(one.pair ? wideRows(`${one.address}-${one.address + 1}`, one.pair) : []),
    ...(one.quad && one.quad.likely.length > 0 ? wideRows(`${one.address}-${one.address + 3}`, one.quad) : []),
  ]);
  return rows.length === 0 ? [] : ["", formatTable([["ADDRESSES", "TYPE", ...orders.map((order) => order.toUpperCase()), "LIKELY"], ...rows], "  ")];
}

function wideRows(addresses: string, { types, likely }: WideDecodes): readonly (readonly string[])[] {
  return Object.entries(types).flatMap(([type, values]) => {
    const cells = orders.map((order) => formatNumber(values[order]));
    if (cells.every((cell) => cell === "-")) return [];
    return [[addresses, type, ...cells, likely.filter((one) => one.type === type).map(({ order }) => order).join(" ")]];
  });
}

function formatNumber(value: number | string | null): string {
  if (typeof value !== "number") return value ?? "-";
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? String(value) : String(Number(value.toPrecision(7)));
}
