import { systemClock } from "@busbar/core";
import { formatRegister } from "../address.ts";
import type { Channel } from "../channel.ts";
import { ModbusFault } from "../modbus-fault.ts";
import { openChannel } from "../open-channel.ts";
import { isBitTable, maxReadBits, maxReadRegisters, type Table } from "../pdu.ts";
import type { SerialSettings } from "../serial-port.ts";
import { decodeRegister, decodeWide, type RegisterDecodes, type WideDecodes } from "./decode-registers.ts";
import { readIdentification, type Identification } from "./identification.ts";
import { readRanges } from "./readable-ranges.ts";
import { suggestConfig } from "./suggest-config.ts";

export type { Identification } from "./identification.ts";
export type { OrderDecodes, RegisterDecodes, WideDecodes } from "./decode-registers.ts";

/** What is to be probed. */
export interface ProbeModbusOptions {
  readonly host?: string | undefined;
  /** Default 502. */
  readonly port?: number;
  /** A serial line instead of host and port. */
  readonly serial?: SerialSettings | undefined;
  /** Default tcp. */
  readonly framing?: "tcp" | "rtu";
  /** Unit ids that are asked. Default 1. */
  readonly units?: readonly number[];
  /** Default holding. */
  readonly tables?: readonly Table[];
  /** The first address, counted from 0. Default 0. */
  readonly address?: number;
  /** How many cells of each table. Default 10. */
  readonly count?: number;
  /** Cells of one request at the most. Default 125 registers, 2000 bits. */
  readonly most?: number;
  /** Milliseconds that an answer may take. Default 1000. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** A register as it was found. */
export interface ProbedRegister extends RegisterDecodes {
  readonly address: number;
  /** In 40001 notation. */
  readonly register: string;
  /** This register and the next one as one number; absent where the next one is not there. */
  readonly pair?: WideDecodes;
  /** This register and the next three as one number; absent where they are not there. */
  readonly quad?: WideDecodes;
}

/** A bit as it was found. */
export interface ProbedBit {
  readonly address: number;
  readonly register: string;
  readonly value: boolean;
}

/** A table of a unit. */
export interface ProbedTable {
  readonly table: Table;
  readonly registers: readonly ProbedRegister[];
  readonly bits: readonly ProbedBit[];
  /** Why cells that were asked for are missing. */
  readonly refusal?: string;
}

/** A unit that was asked. */
export interface ProbedUnit {
  readonly unit: number;
  /** Why nothing is known of it; absent where it answers. */
  readonly fault?: string;
  /** Absent where it does not say who it is. */
  readonly identification?: Identification;
  readonly tables: readonly ProbedTable[];
}

/** What a probe found. */
export interface ModbusProbeReport {
  readonly target: string;
  readonly units: readonly ProbedUnit[];
  readonly requests: number;
  /** The median time from a request to its answer, in ms; absent where nobody answered. */
  readonly answerTime?: number;
  /** A section for a config with what was found, YAML; empty where nobody answered. */
  readonly yaml: string;
}

/**
 * Connects, reads, and tells what there is in every way it can be read. Reads only.
 * @throws {BusbarError} UNAVAILABLE when it cannot connect, CONFIG without the driver of a serial line; {RangeError} for addresses that do not exist.
 */
export async function probeModbus(options: ProbeModbusOptions): Promise<ModbusProbeReport> {
  const { host, port = 502, serial, framing = "tcp", units = [1], timeout = 1000, address = 0, count = 10 } = options;
  if (address < 0 || count < 1 || address + count > 65_536) throw new RangeError(`Cannot probe ${count} cells from ${address} on: addresses go from 0 to 65535`);
  const signal = options.signal ?? new AbortController().signal;
  const channel = await openChannel({ host, port, serial, framing, connectTimeout: 5000, inFlight: 1, strictUnit: false, silence: 0 }, { clock: systemClock, counts: { late: 0, noise: 0 }, signal });
  const close = (): void => channel.close();
  signal.addEventListener("abort", close, { once: true });
  const times: number[] = [];
  try {
    const found: ProbedUnit[] = [];
    for (const unit of units) found.push(await probeUnit(unit, { options, ask: (pdu) => timed(channel, { unit, pdu, timeout }, times) }));
    signal.throwIfAborted();
    const answered = times.filter((time) => time >= 0).sort((a, b) => a - b);
    const target = serial ? `modbus-rtu:${serial.path}` : `modbus-${framing === "tcp" ? "tcp" : "rtu-tcp"}://${host}:${port}`;
    return { target, units: found, requests: times.length, ...(answered.length === 0 ? {} : { answerTime: Math.round(answered[answered.length >> 1]! * 10) / 10 }), yaml: suggestConfig(found, { host, port, serial, framing }) };
  } finally {
    signal.removeEventListener("abort", close);
    channel.close();
  }
}

interface UnitProbe {
  readonly options: ProbeModbusOptions;
  readonly ask: (pdu: Uint8Array) => Promise<Uint8Array>;
}

async function probeUnit(unit: number, { options, ask }: UnitProbe): Promise<ProbedUnit> {
  const { tables = ["holding"], address = 0, count = 10 } = options;
  const found: ProbedTable[] = [];
  try {
    for (const table of tables) {
      const most = Math.min(options.most ?? Number.POSITIVE_INFINITY, isBitTable(table) ? maxReadBits : maxReadRegisters);
      const { ranges, refusal } = await readRanges({ table, address, count, most }, ask);
      const registers = isBitTable(table) ? [] : ranges.flatMap(({ address: first, cells }) => cells.map((_, at) => describe(table, { address: first + at, words: cells.slice(at, at + 4) })));
      const bits = isBitTable(table) ? ranges.flatMap(({ address: first, cells }) => cells.map((cell, at) => ({ address: first + at, register: formatRegister({ table, address: first + at }), value: cell === 1 }))) : [];
      found.push({ table, registers, bits, ...(refusal === undefined ? {} : { refusal }) });
    }
  } catch (error) {
    if (!(error instanceof ModbusFault)) throw error;
    return { unit, fault: error.code, tables: found };
  }
  const identification = await readIdentification(ask).catch((error: unknown) => {
    if (!(error instanceof ModbusFault)) throw error;
    return undefined; // most devices do not know the function
  });
  return { unit, ...(identification === undefined || Object.keys(identification).length === 0 ? {} : { identification }), tables: found };
}

function describe(table: Table, { address, words }: { readonly address: number; readonly words: readonly number[] }): ProbedRegister {
  return {
    address,
    register: formatRegister({ table, address }),
    ...decodeRegister(words[0]!),
    ...(words.length >= 2 ? { pair: decodeWide(words.slice(0, 2)) } : {}),
    ...(words.length >= 4 ? { quad: decodeWide(words) } : {}),
  };
}

/** Notes how long each answer took, -1 for none. */
async function timed(channel: Channel, request: Parameters<Channel["exchange"]>[0], times: number[]): Promise<Uint8Array> {
  const begun = performance.now();
  try {
    const data = await channel.exchange(request);
    times.push(performance.now() - begun);
    return data;
  } catch (error) {
    times.push(-1);
    throw error;
  }
}
