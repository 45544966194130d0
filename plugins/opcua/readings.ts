import { createMinter, retryDelay, type Bus, type Clock, type Counter, type Log, type Qos } from "@busbar/core";
import { VariantArrayType, type DataValue, type Variant } from "node-opcua-client";
import type { Point } from "./point.ts";
import { codeOf, qualityOf, type Quality } from "./status-code.ts";
import { toJson } from "./values.ts";

/** A value as it is on the bus (WIRE §1 "Readings"). */
interface Reading {
  readonly tag: string;
  readonly value: unknown;
  readonly unit?: string;
  readonly quality: Quality;
  readonly timestamp?: number;
  readonly code?: string;
}

/** What publishes readings. */
export interface ReadingsOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly qos: Qos;
  readonly retain: boolean;
  /** Milliseconds that the device's clock may be ahead of ours, or jump back. */
  readonly clockSkew: number;
  /** Counts values. */
  readonly published: Counter;
  /** Called for a value whose source time cannot be: how many ms it is off, positive = ahead of us; 0 for one that is right. */
  readonly onClock: (offset: number) => void;
  /** Called for a value before which others were lost at the server: its queue was full. */
  readonly onOverflow: (point: Point, range: { readonly from: number; readonly to: number }) => void;
}

/** Readings of one message: longer ones are split, so that no message grows beyond what peers take. */
const mostReadings = 1_000;
/** The bits of a StatusCode that say that the queue of a monitored item had been full (OPC 10000-4 §7.39.1): info type DataValue, and overflow. */
const overflow = 0x480;

/** Publishes values as `status` messages, one for each device of a report. Values are added one by one, then flushed. */
export class Readings {
  readonly #options: ReadingsOptions;
  readonly #mint = createMinter();
  /** By device; the arrays are new after each flush, as the bus owns what was published. */
  readonly #pending = new Map<string, { values: Reading[]; times: number[]; newest: number; worst: Quality }>();
  /** What is to be awaited for messages that went before their flush, as they were full. */
  #wait: Promise<void> | undefined;

  constructor(options: ReadingsOptions) {
    this.#options = options;
  }

  /** Adds a live value of a point, and notes its time. */
  add(point: Point, data: DataValue): void {
    const { clock, clockSkew, onClock, onOverflow } = this.#options;
    const now = clock.now();
    const { statusCode } = data;
    let time = (data.sourceTimestamp ?? data.serverTimestamp)?.getTime() ?? now;
    let quality = qualityOf(statusCode);
    let code = codeOf(statusCode);
    if (!(time > 0)) time = now;
    if (time - now > clockSkew) {
      onClock(time - now);
      time = now;
      if (quality === "good") quality = "uncertain";
      code ??= "BadInvalidTimestamp";
    } else if (point.last - time > clockSkew && !point.lost) onClock(time - point.last);
    else onClock(0);
    if ((statusCode.value & overflow) === overflow && point.last > 0) onOverflow(point, { from: point.last, to: time });
    if (point.first === 0) point.first = time;
    point.last = time;
    point.lost = false;
    this.#put(point, { value: valueOf(data.value, point), quality, code, time });
  }

  /** Adds a value of the past: the point's last time stays. */
  addPast(point: Point, { value, statusCode, time }: { readonly value: Variant; readonly statusCode: DataValue["statusCode"]; readonly time: number }): void {
    this.#put(point, { value: valueOf(value, point), quality: qualityOf(statusCode), code: codeOf(statusCode), time });
  }

  /** Says of a point that it has no value now, and why. */
  addBad(point: Point, code: string): void {
    this.#put(point, { value: null, quality: "bad", code, time: this.#options.clock.now() });
  }

  /** Publishes what was added. What it returns, if anything, is to be awaited before more is asked for: the bus wants a pause, or the journal takes it in. */
  flush({ late = false }: { readonly late?: boolean } = {}): Promise<void> | undefined {
    const { bus, qos, retain, published, signal } = this.#options;
    let wait = this.#wait;
    this.#wait = undefined;
    for (const [device, batch] of this.#pending) {
      if (batch.values.length === 0) continue;
      const { values, newest, worst } = batch;
      finish(batch);
      published.value += values.length;
      this.#pending.set(device, empty());
      const payload = late ? { values, quality: worst, late } : { values, quality: worst };
      const draft = { type: "status", from: device, timestamp: newest, payload, qos, retain: retain && !late };
      if (qos > 0) wait = both(wait, this.#deliver({ ...draft, msgid: this.#mint() }));
      else if (!bus.publish(draft)) wait = both(wait, bus.ready(signal).catch(() => {})); // the signal: the plugin stops
    }
    return wait;
  }

  #put(point: Point, { value, quality, code, time }: { readonly value: unknown; readonly quality: Quality; readonly code: string | undefined; readonly time: number }): void {
    let batch = this.#pending.get(point.device);
    if (batch === undefined) this.#pending.set(point.device, (batch = empty()));
    if (batch.values.length >= mostReadings) {
      this.#wait = this.flush();
      this.#pending.set(point.device, (batch = empty()));
    }
    const { tag, unit } = point;
    const reading: { -readonly [K in keyof Reading]: Reading[K] } = unit === undefined || unit === "" ? { tag, value, quality } : { tag, value, unit, quality };
    if (code !== undefined) reading.code = code;
    batch.values.push(reading);
    batch.times.push(time);
    if (time > batch.newest) batch.newest = time;
    if (quality !== "good" && batch.worst !== "bad") batch.worst = quality;
  }

  /** Tries until the journal has it: nothing more is asked of the server meanwhile, which keeps what it has. */
  async #deliver(draft: Parameters<Bus["deliver"]>[0]): Promise<void> {
    const { bus, clock, log, signal } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await bus.deliver(draft);
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn("readings cannot be stored; the server keeps what comes", { device: draft.from, error });
        await clock.sleep(retryDelay(attempt), signal).catch(() => {});
      }
    }
  }
}

const empty = () => ({ values: [] as Reading[], times: [] as number[], newest: 0, worst: "good" as Quality });

/** Readings whose time is not the message's say so. */
function finish({ values, times, newest }: ReturnType<typeof empty>): void {
  for (let at = 0; at < values.length; at++) if (times[at] !== newest) (values[at] as { timestamp?: number }).timestamp = times[at]!;
}

const both = (one: Promise<void> | undefined, other: Promise<void>): Promise<void> => (one === undefined ? other : Promise.all([one, other]).then(() => {}));

/** The common cases without a call: a number, text or boolean that is its own JSON. */
function valueOf(variant: Variant, { values }: Point): unknown {
  const { value } = variant as { readonly value: unknown };
  if (variant.arrayType === VariantArrayType.Scalar) {
    if (typeof value === "number" && Number.isFinite(value) && values.enumeration === undefined) return value;
    if (typeof value === "boolean") return value;
  }
  return toJson(variant, values);
}
