import type { Clock } from "@busbar/core";
import { coalesce } from "./coalesce.ts";
import { ModbusFault } from "./modbus-fault.ts";
import { encodeMaskWrite, encodeRead, encodeWriteCoil, encodeWriteCoils, encodeWriteRegister, encodeWriteRegisters, isBitTable } from "./pdu.ts";
import type { UnitClient } from "./unit-client.ts";
import type { WantedValue, Write } from "./write-plan.ts";

/** How a device is written to. */
export interface WriterOptions {
  readonly clock: Clock;
  readonly client: UnitClient;
  /** auto: functions 5 and 6 for one cell, 15 and 16 for more. single: 5 and 6 only, one cell after the other. multiple: 15 and 16 only. */
  readonly functions: "auto" | "single" | "multiple";
  /** Whether bits of a register are written with function 22; auto: until the device says that it does not know it. Else the register is read, changed and written. */
  readonly maskWrite: "auto" | "always" | "never";
  /** Registers of one request at the most. */
  readonly maxRegisters: number;
  /** Milliseconds within which the device has to show what was written. */
  readonly readBackWithin: number;
}

/** Milliseconds: the first pause before a register that does not show its new value yet is read again; pauses double. */
const firstLook = 20;

/** What the device shows of a wanted value. */
export interface Shown<W extends WantedValue> {
  readonly wanted: W;
  /** Its cells. */
  readonly cells: readonly number[];
  readonly confirmed: boolean;
}

/** Writes to one device. One write at a time, as a register of which some bits change is read before: its caller sees to that. */
export class Writer {
  readonly #options: WriterOptions;
  #masks: boolean;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#masks = options.maskWrite !== "never";
  }

  /** @throws {ModbusFault} when the device does not confirm it; whether it was carried out is known only where the device refused it. */
  async write(write: Write): Promise<void> {
    const { address, cells, mask } = write;
    if (mask !== undefined) return this.#writeBits(address, mask, cells[0]!);
    const { functions } = this.#options;
    if (functions === "multiple" || (functions === "auto" && cells.length > 1)) return this.#send(write.table === "coil" ? encodeWriteCoils(address, cells.map(Boolean)) : encodeWriteRegisters(address, cells));
    for (const [at, cell] of cells.entries()) await this.#send(write.table === "coil" ? encodeWriteCoil(address + at, cell !== 0) : encodeWriteRegister(address + at, cell));
  }

  /** Reads until the device shows all that was written, or the time for it is over. @throws {ModbusFault} */
  async readBack<W extends WantedValue>(wanted: readonly W[]): Promise<readonly Shown<W>[]> {
    const { clock, readBackWithin } = this.#options;
    const until = clock.now() + readBackWithin;
    for (let pause = firstLook; ; pause *= 2) {
      const shown = await this.#look(wanted);
      if (shown.every(({ confirmed }) => confirmed) || clock.now() + pause > until) return shown;
      await clock.sleep(pause);
    }
  }

  async #writeBits(address: number, mask: number, bits: number): Promise<void> {
    if (this.#masks) {
      try {
        return await this.#send(encodeMaskWrite(address, mask, bits));
      } catch (error) {
        if (this.#options.maskWrite === "always" || !(error instanceof ModbusFault) || error.exception !== 1) throw error;
        this.#masks = false;
      }
    }
    const data = await this.#options.client.ask(encodeRead("holding", address, 1), { cells: 1, urgent: true });
    const word = (data[0]! << 8) | data[1]!;
    await this.#send(this.#options.functions === "multiple" ? encodeWriteRegisters(address, [(word & ~mask) | bits]) : encodeWriteRegister(address, (word & ~mask) | bits));
  }

  async #send(pdu: Uint8Array): Promise<void> {
    await this.#options.client.ask(pdu, { urgent: true, once: true });
  }

  async #look<W extends WantedValue>(wanted: readonly W[]): Promise<readonly Shown<W>[]> {
    const shown = new Map<W, readonly number[]>();
    for (const table of ["coil", "holding"] as const) {
      const spans = wanted.filter(({ point }) => point.table === table).map((one) => ({ address: one.point.address, cells: one.point.cells, one }));
      for (const block of coalesce(spans, { most: this.#options.maxRegisters, gap: 0 })) {
        const data = await this.#options.client.ask(encodeRead(table, block.address, block.cells), { cells: block.cells, urgent: true });
        for (const { address, cells, one } of block.spans) shown.set(one, cellsIn(data, { bits: isBitTable(table), from: address - block.address, count: cells }));
      }
    }
    return wanted.map((one) => {
      const cells = shown.get(one)!;
      const mask = one.mask ?? 0xffff;
      return { wanted: one, cells, confirmed: cells.every((cell, at) => (cell & mask) === (one.cells[at]! & mask)) };
    });
  }
}

function cellsIn(data: Uint8Array, { bits, from, count }: { readonly bits: boolean; readonly from: number; readonly count: number }): readonly number[] {
  return Array.from({ length: count }, (_, n) => {
    const at = from + n;
    return bits ? (data[at >> 3]! >> (at & 7)) & 1 : (data[2 * at]! << 8) | data[2 * at + 1]!;
  });
}
