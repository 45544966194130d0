import { type AlarmEvent, type AlarmLevel, alarmLevel, createAlarmEvent } from "./alarm.ts";
import type { Machine, Plant, Tag } from "./compiled-plant.ts";
import { numberOf, valueOf } from "./compiled-plant.ts";
import type { TagValue } from "./plant.ts";
import { commandWrites, describe } from "./command-writes.ts";
import { PlantError } from "./plant-error.ts";
import { approach, createSignal, noiseAt, type Signal, seedOf } from "./signal.ts";

/** How far a value can be trusted: OPC UA's three severities (OPC 10000-8 §5.3.1). */
export const qualities = ["good", "uncertain", "bad"] as const;

/** What is wrong with a tag. */
export interface Impairment {
  /** The name of an OPC UA StatusCode, `Good` for none. */
  readonly code: string;
  /** Whether its value stays as it is. */
  readonly stuck: boolean;
  /** Milliseconds by which the clock of its source is ahead. */
  readonly shift: number;
}

/** What a simulation starts from. */
export interface SimulationOptions {
  /** 0 to 2^32 - 1: the same plant, seed and times give the same values. Default 1. */
  readonly seed?: number;
  /** Milliseconds since the Unix epoch at which it begins: signals count from here. */
  readonly start: number;
}

/** Called after the fact; it must not throw and must not write to the plant. */
export interface SimulationListener {
  /** Every value that was due is new. */
  stepped?(now: number): void;
  /** Set points of one machine were written. */
  written?(machine: Machine, now: number): void;
  /** What is wrong with tags has changed. */
  impaired?(now: number): void;
  /** An alarm began or ended. */
  alarm?(event: AlarmEvent): void;
}

/**
 * A plant in motion. It has no timer of its own: whoever holds the clock calls `step`. All state is in arrays as long as
 * the list of tags; `values`, `status` and `shift` may be read by anyone at any time and changed by nobody else.
 */
export class Simulation {
  readonly plant: Plant;
  /** The value of each tag as a number: `valueOf` says what it stands for. */
  readonly values: Float64Array;
  /** The status of each tag: a place in `codes`. */
  readonly status: Uint16Array;
  /** Milliseconds by which the clock of each tag's source is ahead. */
  readonly shift: Float64Array;
  /** The names of the OPC UA StatusCodes that were met so far. */
  readonly codes: string[] = ["Good"];
  readonly #start: number;
  readonly #seeds: Uint32Array;
  readonly #signals: (Signal | undefined)[];
  /** Where a `follow` tag is on its way, without noise; a set point's value. */
  readonly #levels: Float64Array;
  readonly #due: Float64Array;
  readonly #last: Float64Array;
  readonly #leader: Int32Array;
  readonly #gate: Int32Array;
  readonly #rounding: Float64Array;
  readonly #stuck: Uint8Array;
  /** When each counter was last set back. */
  readonly #origin: Float64Array;
  readonly #alarms: (AlarmLevel | undefined)[];
  readonly #machines: ReadonlyMap<string, Machine>;
  readonly #listeners = new Set<SimulationListener>();
  #now: number;

  constructor(plant: Plant, options: SimulationOptions) {
    const count = plant.tags.length;
    this.plant = plant;
    this.values = new Float64Array(count);
    this.status = new Uint16Array(count);
    this.shift = new Float64Array(count);
    this.#stuck = new Uint8Array(count);
    this.#origin = new Float64Array(count).fill(options.start);
    this.#start = options.start;
    this.#now = options.start;
    this.#seeds = new Uint32Array(count);
    this.#signals = new Array<Signal | undefined>(count).fill(undefined);
    this.#levels = new Float64Array(count);
    this.#due = Float64Array.from(plant.tags, (tag) => options.start + (tag.spec.every ?? 0));
    this.#last = new Float64Array(count).fill(options.start);
    this.#leader = new Int32Array(count).fill(-1);
    this.#gate = new Int32Array(count).fill(-1);
    this.#rounding = new Float64Array(count);
    this.#alarms = new Array<AlarmLevel | undefined>(count).fill(undefined);
    this.#machines = new Map(plant.machines.map((machine) => [machine.id, machine]));
    for (const tag of plant.tags) this.#prepare(tag, options.seed ?? 1);
    for (const tag of plant.tags) this.#settle(tag);
    for (const tag of plant.tags) this.#compute(tag, options.start); // alarms wait for the first step: nobody listens yet
  }

  /** The time of the last step or write, milliseconds since the Unix epoch. */
  get now(): number {
    return this.#now;
  }

  /** The machine or device of that id. */
  machine(id: string): Machine | undefined {
    return this.#machines.get(id);
  }

  /** The value of a tag as it is said outside. */
  value(tag: Tag): TagValue {
    return valueOf(tag, this.values[tag.index] ?? 0);
  }

  /** The name of the OPC UA StatusCode of a tag. */
  codeOf(tag: Tag): string {
    return this.codes[this.status[tag.index]!] ?? "Bad";
  }

  /** How far the value of a tag can be trusted: the severity of its StatusCode. */
  qualityOf(tag: Tag): (typeof qualities)[number] {
    const code = this.codeOf(tag);
    return code === "Good" ? "good" : code.startsWith("Uncertain") ? "uncertain" : "bad";
  }

  /** Says what is wrong with a tag from now on; `announce` tells who listens. */
  impair(tag: Tag, { code, stuck, shift }: Impairment): void {
    let place = this.codes.indexOf(code);
    if (place < 0) place = this.codes.push(code) - 1;
    this.status[tag.index] = place;
    this.shift[tag.index] = shift;
    if (this.#stuck[tag.index] && !stuck && tag.writable) this.values[tag.index] = this.#levels[tag.index]!; // what was written meanwhile
    this.#stuck[tag.index] = Number(stuck);
  }

  /** Tells who listens that something other than values has changed. */
  announce(): void {
    for (const listener of this.#listeners) listener.impaired?.(this.#now);
  }

  /** Tells `listener` of what happens from now on. Returns the function that ends it. */
  listen(listener: SimulationListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Computes every value that is due at `now` (milliseconds since the Unix epoch). A time that went back is taken as the last one. */
  step(now: number): void {
    const at = Math.max(now, this.#now);
    this.#now = at;
    const { tags } = this.plant;
    for (let i = 0; i < tags.length; i++) {
      if (at < this.#due[i]!) continue;
      const tag = tags[i]!;
      const { every } = tag.spec;
      if (every !== undefined) this.#due[i] = at + every - ((at - this.#start) % every);
      this.#compute(tag, at);
      if (tag.alarm) this.#watch(tag, at);
    }
    for (const listener of this.#listeners) listener.stepped?.(at);
  }

  /**
   * Writes one set point.
   * @throws {PlantError} READ_ONLY, WRONG_TYPE or OUT_OF_RANGE; nothing is changed then.
   */
  write(tag: Tag, value: unknown, now: number): void {
    this.writeAll([[tag, value]], now);
  }

  /**
   * Writes several set points, all or none.
   * @throws {PlantError} as `write`, for the first that is refused.
   */
  writeAll(writes: readonly (readonly [Tag, unknown])[], now: number): void {
    const numbers = writes.map(([tag, value]) => this.#check(tag, value));
    const at = Math.max(now, this.#now);
    this.#now = at;
    const touched = new Set<number>();
    writes.forEach(([tag], k) => {
      this.#levels[tag.index] = numbers[k]!;
      if (!this.#stuck[tag.index]) this.values[tag.index] = numbers[k]!;
      touched.add(tag.machine);
      if (tag.alarm) this.#watch(tag, at);
    });
    for (const index of touched) for (const listener of this.#listeners) listener.written?.(this.plant.machines[index]!, at);
  }

  /**
   * Obeys a command. A machine takes `{"set":{"<tag>":<value>,…}}`; a lamp or fan takes its set points directly, such as `{"on":true}`, too.
   * All is done or nothing.
   * @returns the machine's set points as they are now.
   * @throws {PlantError} NO_SUCH_MACHINE, NO_SUCH_TAG, BAD_COMMAND, or as `write`.
   */
  command(id: string, payload: unknown, now: number): Record<string, TagValue> {
    const machine = this.#machines.get(id);
    if (!machine) throw new PlantError("NO_SUCH_MACHINE", `Cannot command "${id}": the plant has no machine of that id`);
    this.writeAll(commandWrites(machine, payload), now);
    return Object.fromEntries(machine.tags.filter((tag) => tag.writable).map((tag) => [tag.name, this.value(tag)]));
  }

  /** Sets counters of one machine back: they begin at the lower end of their range again. */
  reset(counters: readonly Tag[], now: number): void {
    if (counters.length === 0) return;
    const at = Math.max(now, this.#now);
    for (const tag of counters) {
      this.#origin[tag.index] = at;
      this.#compute(tag, at);
    }
    for (const listener of this.#listeners) listener.written?.(this.plant.machines[counters[0]!.machine]!, at);
  }

  #prepare(tag: Tag, seed: number): void {
    const { index: i, spec } = tag;
    const { signal } = spec;
    const machine = this.plant.machines[tag.machine]!;
    this.#seeds[i] = seedOf(seed, `${machine.id}/${tag.name}`);
    const find = (name: string): number => machine.tags.find((other) => other.name === name)?.index ?? -1;
    const options = { seed: this.#seeds[i]!, low: tag.low, high: tag.high };
    if (tag.kind === "int") this.#rounding[i] = 1;
    else if (tag.kind === "float") this.#rounding[i] = 10 ** (spec.decimals ?? Math.min(9, Math.max(0, Math.ceil(4 - Math.log10(tag.high - tag.low)))));
    if (signal.kind === "setpoint" || signal.kind === "constant") this.#levels[i] = numberOf(tag, signal.value)!;
    else if (signal.kind === "follow") {
      this.#leader[i] = find(signal.of);
      this.#gate[i] = signal.while === undefined ? -1 : find(signal.while);
    } else if (signal.kind === "step") this.#signals[i] = createSignal({ ...signal, levels: signal.levels.map((level) => numberOf(tag, level)!) }, options);
    else this.#signals[i] = createSignal(signal, options);
  }

  /** A plant starts settled: what follows has arrived. */
  #settle(tag: Tag): void {
    const i = tag.index;
    if (this.#leader[i]! >= 0) this.#levels[i] = this.#target(i, tag);
    else if (!this.#signals[i]) this.values[i] = this.#levels[i]!;
    else this.values[i] = this.#signals[i](0);
    if (this.#leader[i]! >= 0) this.values[i] = this.#levels[i]!;
  }

  #target(i: number, tag: Tag): number {
    const { signal } = tag.spec;
    if (signal.kind !== "follow") return this.#levels[i]!;
    const gate = this.#gate[i]!;
    const target = gate >= 0 && this.values[gate] === 0 ? tag.low : signal.offset + signal.factor * this.values[this.#leader[i]!]!;
    return Math.min(tag.high, Math.max(tag.low, target));
  }

  #compute(tag: Tag, at: number): void {
    const i = tag.index;
    const signal = this.#signals[i];
    const { signal: spec } = tag.spec;
    let value: number;
    if (signal) value = signal(at - this.#origin[i]!);
    else if (spec.kind === "follow") {
      const level = approach(this.#levels[i]!, this.#target(i, tag), { dt: at - this.#last[i]!, lag: spec.lag });
      this.#levels[i] = level;
      this.#last[i] = at;
      value = level + spec.noise * (tag.high - tag.low) * (noiseAt(this.#seeds[i]!, at - this.#start) - 0.5);
      if (level - tag.low < spec.noise * (tag.high - tag.low)) value = level; // what stands still does not shake
    } else return;
    const rounding = this.#rounding[i]!;
    if (rounding > 0) value = Math.round(value * rounding) / rounding + 0; // + 0: no minus zero
    if (!this.#stuck[i]) this.values[i] = Math.min(tag.high, Math.max(tag.low, value));
  }

  #check(tag: Tag, value: unknown): number {
    const name = `${this.plant.machines[tag.machine]!.id}.${tag.name}`;
    if (!tag.writable) throw new PlantError("READ_ONLY", `Cannot write ${name}: it is not a set point`);
    const number = numberOf(tag, value);
    if (number === undefined) throw new PlantError("WRONG_TYPE", `Cannot write ${describe(value)} to ${name}: it is of kind ${tag.kind}`);
    if (number < tag.low || number > tag.high) throw new PlantError("OUT_OF_RANGE", `Cannot write ${describe(value)} to ${name}: its range is ${tag.low} to ${tag.high}`);
    return number;
  }

  #watch(tag: Tag, at: number): void {
    const i = tag.index;
    const before = this.#alarms[i];
    const number = this.values[i]!;
    const after = alarmLevel(tag.alarm!, number, before);
    if (after === before) return;
    this.#alarms[i] = after;
    if (before) this.#tell(createAlarmEvent(tag, before, { state: "cleared", number, timestamp: at }));
    if (after) this.#tell(createAlarmEvent(tag, after, { state: "raised", number, timestamp: at }));
  }

  #tell(event: AlarmEvent): void {
    for (const listener of this.#listeners) listener.alarm?.(event);
  }
}
