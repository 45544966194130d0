import type { AlarmSpec, DeviceSpec, FleetSpec, MachineSpec, PlantSpec, TagSpec, TagValue } from "./plant.ts";
import { maxMachines } from "./plant.ts";
import { checkParts, type Composite, compositesOf, type MethodSpec } from "./machine-parts.ts";
import { machineOfDevice } from "./device.ts";
import { machinesOfFleet } from "./fleet.ts";

/** A tag ready to be simulated and served. */
export interface Tag {
  /** Its place in the arrays of the simulation. */
  readonly index: number;
  /** The place of its machine. */
  readonly machine: number;
  readonly name: string;
  /** As people write it; empty for none. */
  readonly unit: string;
  readonly kind: TagSpec["kind"];
  /** The lowest and highest number it can have: 0 and 1 for a bool, 0 and the last place in `levels` for a string. */
  readonly low: number;
  readonly high: number;
  /** The strings it can have; empty for the other kinds. */
  readonly levels: readonly string[];
  readonly writable: boolean;
  readonly spec: TagSpec;
  readonly alarm: AlarmSpec | undefined;
}

/** A machine or device ready to be simulated and served. Its tags lie side by side. */
export interface Machine {
  readonly index: number;
  readonly id: string;
  readonly title: string;
  readonly kind: "machine" | DeviceSpec["kind"];
  readonly tags: readonly Tag[];
  /** Milliseconds between two status messages; undefined for one with each step. */
  readonly every: number | undefined;
  readonly methods: readonly MethodSpec[];
  /** Tags that are shown as arrays and structures besides. */
  readonly composites: readonly Composite[];
}

/** The whole plant, in the order it was written: machines, devices, fleet. */
export interface Plant {
  readonly machines: readonly Machine[];
  readonly tags: readonly Tag[];
}

/** What is wrong with a plant, and where: a path into the data it was made of. */
export interface PlantProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Checks what single fields cannot say about themselves. Returns every problem at once. */
export function checkPlant(spec: PlantSpec): readonly PlantProblem[] {
  const problems: PlantProblem[] = [];
  const ids = new Set<string>();
  const checkId = (id: string, path: readonly (string | number)[]): void => {
    if (ids.has(id)) problems.push({ path: [...path, "id"], message: `Cannot name a machine "${id}": that id is taken` });
    ids.add(id);
  };
  spec.machines.forEach((machine, at) => {
    checkId(machine.id, ["machines", at]);
    checkTags(machine, ["machines", at], problems);
    checkParts(machine, (path, message) => void problems.push({ path: ["machines", at, ...path], message }));
  });
  spec.devices.forEach((device, at) => checkId(device.id, ["devices", at]));
  if (ids.size > maxMachines) problems.push({ path: ["machines"], message: `Cannot serve ${ids.size} machines and devices: the limit is ${maxMachines}` });
  return problems;
}

/**
 * Makes the plant of its data.
 * @throws {RangeError} naming every problem of `checkPlant`, or too many machines once the fleets are added.
 */
export function compilePlant(spec: PlantSpec, fleets: FleetSpec | readonly FleetSpec[] = []): Plant {
  const problems = checkPlant(spec);
  if (problems.length > 0) throw new RangeError(problems.map((problem) => `${problem.path.join(".")}: ${problem.message}`).join("; "));
  const sources: { readonly machine: MachineSpec; readonly kind: Machine["kind"] }[] = [
    ...spec.machines.map((machine) => ({ machine, kind: "machine" as const })),
    ...spec.devices.map((device) => ({ machine: machineOfDevice(device), kind: device.kind })),
    ...[fleets].flat().flatMap((fleet) => machinesOfFleet(fleet).map((machine) => ({ machine, kind: "machine" as const }))),
  ];
  if (sources.length > maxMachines) throw new RangeError(`Cannot serve ${sources.length} machines and devices: the limit is ${maxMachines}`);
  const taken = new Set<string>();
  const tags: Tag[] = [];
  const machines = sources.map(({ machine, kind }, index): Machine => {
    if (taken.has(machine.id)) throw new RangeError(`Cannot name a machine "${machine.id}": that id is taken`);
    taken.add(machine.id);
    const own = machine.tags.map((tag, offset) => compileTag(machine.every === undefined || tag.every !== undefined ? tag : { ...tag, every: machine.every }, tags.length + offset, index));
    for (const tag of own) tags.push(tag);
    return { index, id: machine.id, title: machine.title || machine.id, kind, tags: own, every: machine.every, methods: machine.methods, composites: compositesOf(machine) };
  });
  return { machines, tags };
}

/**
 * The number that stands for a value.
 * @returns undefined when the value is not of the tag's kind.
 */
export function numberOf(tag: Pick<Tag, "kind" | "levels">, value: unknown): number | undefined {
  switch (tag.kind) {
    case "bool":
      return typeof value === "boolean" ? Number(value) : undefined;
    case "string": {
      const at = typeof value === "string" ? tag.levels.indexOf(value) : -1;
      return at < 0 ? undefined : at;
    }
    case "int":
      return Number.isInteger(value) ? (value as number) : undefined;
    case "float":
      return Number.isFinite(value) ? (value as number) : undefined;
  }
}

/** The value that a number stands for. */
export function valueOf(tag: Pick<Tag, "kind" | "levels">, number: number): TagValue {
  if (tag.kind === "bool") return number !== 0;
  return tag.kind === "string" ? (tag.levels[number] ?? "") : number;
}

function compileTag(spec: TagSpec, index: number, machine: number): Tag {
  const levels = levelsOf(spec);
  const [low, high] = spec.kind === "bool" ? [0, 1] : spec.kind === "string" ? [0, levels.length - 1] : spec.range;
  return { index, machine, name: spec.name, unit: spec.unit, kind: spec.kind, low, high, levels, writable: spec.signal.kind === "setpoint", spec, alarm: spec.alarm };
}

function levelsOf(spec: TagSpec): readonly string[] {
  if (spec.kind !== "string") return [];
  const { signal } = spec;
  const all = signal.kind === "step" ? signal.levels : signal.kind === "constant" ? [signal.value] : [];
  return [...new Set(all.filter((level) => typeof level === "string"))];
}

function checkTags(machine: MachineSpec, at: readonly (string | number)[], problems: PlantProblem[]): void {
  const byName = new Map(machine.tags.map((tag) => [tag.name, tag]));
  const seen = new Set<string>();
  machine.tags.forEach((tag, index) => {
    const path = [...at, "tags", index];
    const problem = (field: readonly (string | number)[], message: string): void => void problems.push({ path: [...path, ...field], message });
    if (seen.has(tag.name)) problem(["name"], `Cannot name a tag "${tag.name}": machine "${machine.id}" has one of that name`);
    seen.add(tag.name);
    const numeric = tag.kind === "float" || tag.kind === "int";
    const [low, high] = tag.range;
    if (numeric && !(low < high)) problem(["range"], `Cannot use the range [${low}, ${high}]: its low end is not below its high end`);
    if (tag.kind === "int" && !(Number.isInteger(low) && Number.isInteger(high) && low >= -2_147_483_648 && high <= 2_147_483_647)) {
      problem(["range"], `Cannot use the range [${low}, ${high}] for an int: its ends are not integers of 32 bits`);
    }
    checkSignal(tag, byName, problem);
    if (tag.writable !== undefined && tag.writable !== (tag.signal.kind === "setpoint")) {
      problem(["writable"], `Cannot make a tag with a ${tag.signal.kind} signal ${tag.writable ? "writable" : "read-only"}: exactly the set points are written`);
    }
    const alarm = tag.alarm;
    if (alarm && (alarm.when !== undefined) !== (tag.kind === "bool")) problem(["alarm"], `Cannot watch a ${tag.kind} that way: "when" is for bool, limits are for float and int`);
    if (alarm && tag.kind === "string") problem(["alarm"], "Cannot watch a string: alarms are for float, int and bool");
    if (alarm) {
      const limits = [alarm.lowLow, alarm.low, alarm.high, alarm.highHigh].filter((limit) => limit !== undefined);
      if (limits.some((limit, k) => k > 0 && !(limits[k - 1]! < limit))) problem(["alarm"], "Cannot use these limits: they must rise from lowLow over low and high to highHigh");
    }
  });
}

function checkSignal(tag: TagSpec, byName: ReadonlyMap<string, TagSpec>, problem: (field: readonly (string | number)[], message: string) => void): void {
  const { signal, kind } = tag;
  const [low, high] = tag.range;
  const shape = { kind, levels: levelsOf(tag) };
  const checkValue = (value: TagValue, field: readonly (string | number)[]): void => {
    const number = numberOf(shape, value);
    if (number === undefined) problem(field, `Cannot use ${JSON.stringify(value)} here: the tag is of kind ${kind}`);
    else if ((kind === "float" || kind === "int") && (number < low || number > high)) problem(field, `Cannot use ${value} here: it is outside the range [${low}, ${high}]`);
  };
  if (kind === "string" && signal.kind === "setpoint") return problem(["signal"], "Cannot make a string a set point: it takes step or constant");
  if (signal.kind === "step") return signal.levels.forEach((level, at) => checkValue(level, ["signal", "levels", at]));
  if (signal.kind === "constant" || signal.kind === "setpoint") return checkValue(signal.value, ["signal", "value"]);
  if (kind === "bool" || kind === "string") return problem(["signal"], `Cannot give a ${kind} a ${signal.kind} signal: it takes step or constant${kind === "bool" ? " or setpoint" : ""}`);
  if (signal.kind === "follow") {
    const leader = byName.get(signal.of);
    if (!leader || leader === tag || leader.kind === "string") problem(["signal", "of"], `Cannot follow "${signal.of}": the machine has no other tag of that name that is a number`);
    if (signal.while !== undefined && byName.get(signal.while)?.kind !== "bool") problem(["signal", "while"], `Cannot depend on "${signal.while}": the machine has no bool of that name`);
  } else if (signal.kind !== "counter") {
    const from = signal.low ?? low;
    const to = signal.high ?? high;
    if (!(from <= to) || from < low || to > high) problem(["signal"], `Cannot move between ${from} and ${to}: that is not within the range [${low}, ${high}]`);
  }
}
