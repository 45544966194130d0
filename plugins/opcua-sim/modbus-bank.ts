import type { DeviceIdentity } from "./modbus-identity.ts";

/** The four tables of Modbus (V1.1b3 §4.3). */
export const modbusTables = ["coil", "discrete-input", "holding-register", "input-register"] as const;

/** One of the four tables. */
export type ModbusTable = (typeof modbusTables)[number];

/** Why a request is refused (Modbus V1.1b3 §7). */
export const modbusException = { illegalFunction: 1, illegalDataAddress: 2, illegalDataValue: 3, serverDeviceFailure: 4, gatewayTargetFailed: 11 } as const;

/** A request that is answered with an exception. A bank throws it; `answerModbus` makes the answer of it. */
export class ModbusRefusal extends Error {
  /** The exception code, 1-11. */
  readonly exception: number;

  constructor(exception: number) {
    super(`Cannot answer the Modbus request: exception ${exception}`);
    this.exception = exception;
  }
}

/** What answers for one unit id: a machine of the plant or a raw unit of the fleet. Addresses count from 0, `now` is milliseconds since the Unix epoch. */
export interface ModbusBank {
  /** 1-247. */
  readonly id: number;
  /** The machine that it is; undefined for a raw unit. */
  readonly machine: string | undefined;
  readonly identity: DeviceIdentity;
  /** Registers and bits of one request at the most: the protocol's limits or the device's own. */
  readonly maxRegisters: number;
  readonly maxBits: number;
  /** Milliseconds that it works on each request. */
  readonly latency: number;
  /** Whether it never answers. */
  readonly dead: boolean;
  /** The bit at an address; undefined where there is none. */
  bit(table: "coil" | "discrete-input", address: number, now: number): boolean | undefined;
  /** The word at an address, 0-65535; undefined where there is none. */
  word(table: "holding-register" | "input-register", address: number, now: number): number | undefined;
  /**
   * Writes coils from `address` on, all or none.
   * @throws {ModbusRefusal | PlantError} when one of them cannot be written.
   */
  writeBits(address: number, bits: readonly boolean[], now: number): void;
  /**
   * Writes holding registers from `address` on, all or none.
   * @throws {ModbusRefusal | PlantError} when one of them cannot be written.
   */
  writeWords(address: number, words: Uint16Array, now: number): void;
  /** Forgets what a device forgets when it is switched off and on. */
  restart(): void;
}
