import { answerLength } from "../pdu.ts";

/** What a unit of the scripted device refuses. */
export interface UnitLimits {
  /** Registers and bits of one read. Default 125 and 2000. */
  readonly most?: number;
  /** Which addresses there are. Default all. */
  readonly has?: (address: number) => boolean;
  /** Functions it does not know. */
  readonly unknown?: readonly number[];
}

/** A unit's cells, and the answers that a right device gives (Modbus V1.1b3 §6): written down apart from the client, so that a mistake there is not made here too. */
export class UnitMemory {
  readonly holding = new Uint16Array(65_536);
  readonly input = new Uint16Array(65_536);
  readonly coils = new Uint8Array(65_536);
  readonly discretes = new Uint8Array(65_536);
  /** Called after each write. */
  onWrite: (address: number) => void = () => {};
  /** May be changed while it runs. */
  limits: UnitLimits;

  constructor(limits: UnitLimits = {}) {
    this.limits = limits;
  }

  /** Writes numbers to holding registers from an address on. */
  hold(address: number, ...words: number[]): void {
    this.holding.set(words, address);
  }

  answer(pdu: Uint8Array): Uint8Array {
    const code = pdu[0]!;
    const view = new DataView(pdu.buffer, pdu.byteOffset, pdu.length);
    const refuse = (exception: number): Uint8Array => Uint8Array.of(code | 0x80, exception);
    if (this.limits.unknown?.includes(code) || ![1, 2, 3, 4, 5, 6, 15, 16, 22, 43].includes(code)) return refuse(1);
    if (code === 43) return Uint8Array.of(43, 14, 1, 0x81, 0, 0, 3, 0, 4, ...Buffer.from("Acme"), 1, 2, ...Buffer.from("X1"), 2, 3, ...Buffer.from("1.2"));
    const address = view.getUint16(1);
    const count = code <= 4 || code >= 15 && code !== 22 ? view.getUint16(3) : 1;
    const most = this.limits.most ?? (code <= 2 ? 2000 : 125);
    if (count < 1 || count > most) return refuse(3);
    for (let at = address; at < address + count; at++) if (at > 65_535 || this.limits.has?.(at) === false) return refuse(2);
    if (code <= 2) return this.#bits(code === 1 ? this.coils : this.discretes, { code, address, count });
    if (code <= 4) return this.#words(code === 3 ? this.holding : this.input, { code, address, count });
    this.#write(code, { address, count, view });
    this.onWrite(address);
    return code === 15 || code === 16 ? pdu.slice(0, 5) : pdu.slice();
  }

  #bits(cells: Uint8Array, { code, address, count }: { readonly code: number; readonly address: number; readonly count: number }): Uint8Array {
    const answer = new Uint8Array(2 + Math.ceil(count / 8));
    answer.set([code, answer.length - 2]);
    for (let n = 0; n < count; n++) if (cells[address + n]) answer[2 + Math.floor(n / 8)]! |= 2 ** (n % 8);
    return answer;
  }

  #words(cells: Uint16Array, { code, address, count }: { readonly code: number; readonly address: number; readonly count: number }): Uint8Array {
    const answer = new Uint8Array(2 + 2 * count);
    answer.set([code, 2 * count]);
    const view = new DataView(answer.buffer);
    for (let n = 0; n < count; n++) view.setUint16(2 + 2 * n, cells[address + n]!);
    return answer;
  }

  #write(code: number, { address, count, view }: { readonly address: number; readonly count: number; readonly view: DataView }): void {
    if (code === 5) this.coils[address] = view.getUint16(3) === 0xff00 ? 1 : 0;
    if (code === 6) this.holding[address] = view.getUint16(3);
    if (code === 15) for (let n = 0; n < count; n++) this.coils[address + n] = (view.getUint8(6 + Math.floor(n / 8)) / 2 ** (n % 8)) & 1;
    if (code === 16) for (let n = 0; n < count; n++) this.holding[address + n] = view.getUint16(6 + 2 * n);
    if (code === 22) this.holding[address] = (this.holding[address]! & view.getUint16(3)) | (view.getUint16(5) & ~view.getUint16(3));
  }
}

/** Bytes of the PDU of a request that begins at `at`, or 0 while that is not known. */
export function requestLength(bytes: Uint8Array, at: number, end: number): number {
  const code = bytes[at]!;
  if (code <= 6) return 5;
  if (code === 15 || code === 16) return at + 5 < end ? 6 + bytes[at + 5]! : 0;
  return code === 22 ? 7 : code === 43 ? 4 : answerLength(bytes, at, end);
}
