import type { Table } from "./pdu.ts";

/** Where a value begins. */
export interface Address {
  readonly table: Table;
  /** 0-65535, as on the wire. */
  readonly address: number;
}

const tables: Readonly<Record<string, Table>> = { "0": "coil", "1": "discrete", "3": "input", "4": "holding" };
const digits: Readonly<Record<Table, string>> = { coil: "0", discrete: "1", input: "3", holding: "4" };

/**
 * Reads `40001` notation: the first of five or six digits names the table (0 coil, 1 discrete input, 3 input register, 4 holding register), the rest counts from 1: 40001 and 400001 are
 * holding register 0. Of a number the leading zeros of coils are lost, so coils must be text.
 * @throws {SyntaxError} for anything else.
 */
export function parseRegister(value: string | number): Address {
  const text = String(value);
  const [, table, number] = /^([0134])(\d{4,5})$/.exec(text) ?? [];
  const address = Number(number) - 1;
  if (table === undefined || !(address >= 0 && address <= 65_535)) {
    throw new SyntaxError(`Cannot read the register ${JSON.stringify(value)}: it is not in 40001 notation, five or six digits of which the first is 0 (coil), 1 (discrete input), 3 (input register) or 4 (holding register) and the rest counts from 1; coils as text, "00001"`);
  }
  return { table: tables[table]!, address };
}

/** An address in 40001 notation, with six digits where five do not do. */
export function formatRegister({ table, address }: Address): string {
  return digits[table] + String(address + 1).padStart(4, "0").padStart(address >= 9999 ? 5 : 4, "0");
}
