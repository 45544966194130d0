import type { ModbusFault } from "./modbus-fault.ts";
import type { Point } from "./point.ts";
import { createReader, type PointReader, type Sample, type TagValue } from "./read-value.ts";
import type { Slot } from "./read-plan.ts";

/** A reading as it goes out (WIRE §1). */
export interface TagReading {
  readonly tag: string;
  readonly value: TagValue | null;
  readonly unit?: string;
  readonly quality: Sample["quality"];
  /** When it was sampled, where that is not the message's time. */
  readonly timestamp?: number;
  readonly code?: string;
}

/** A tag and what is known of it. */
export class TagState implements Slot {
  readonly point: Point;
  readonly table;
  readonly address: number;
  readonly cells: number;
  refused: Slot["refused"];
  readonly #read: PointReader;
  #sample: Sample = { value: null, quality: "bad", code: "not read yet" };
  #timestamp = 0;
  #fault: string | undefined;
  #published: Sample | undefined;

  constructor(point: Point) {
    this.point = point;
    this.table = point.table;
    this.address = point.address;
    this.cells = point.cells;
    this.#read = createReader(point);
  }

  /** How good its value is. */
  get quality(): Sample["quality"] {
    return this.#sample.quality;
  }

  /** Its value, null where there is none. */
  get value(): TagValue | null {
    return this.#sample.value;
  }

  /** Milliseconds since the Unix epoch: when its value, or that there is none, was learned. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** Why the device did not show it last time. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Whether it differs from what was published last. */
  get changed(): boolean {
    const before = this.#published;
    const now = this.#sample;
    return before === undefined || before.quality !== now.quality || before.code !== now.code || !sameValue(before.value, now.value);
  }

  /** Takes its value from an answer whose first cell is `first`. */
  take(data: Uint8Array, first: number, now: number): void {
    this.#sample = this.#read(data, this.address - first);
    this.#timestamp = now;
    this.#fault = undefined;
  }

  /** There is no answer: it keeps its last value, which is not good any more. */
  fail(fault: ModbusFault, now: number): void {
    this.#sample = { value: this.#sample.value, quality: fault.quality, code: fault.code };
    this.#timestamp = now;
    this.#fault = fault.code;
  }

  /** What goes out in a message of that time; from then on it counts as published. */
  publish(messageTime: number): TagReading {
    const { value, quality, code } = this.#sample;
    const { tag, unit } = this.point;
    this.#published = this.#sample;
    return { tag, value, ...(unit === undefined ? {} : { unit }), quality, ...(this.#timestamp === messageTime ? {} : { timestamp: this.#timestamp }), ...(code === undefined ? {} : { code }) };
  }
}

function sameValue(a: TagValue | null, b: TagValue | null): boolean {
  return Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((one, at) => Object.is(one, b[at])) : Object.is(a, b);
}
