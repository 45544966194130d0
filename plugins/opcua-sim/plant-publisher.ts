import { BusbarError, type Bus, type Counter, type Envelope, type Log, type WriteGuard } from "@busbar/core";
import type { AlarmEvent } from "./alarm.ts";
import type { Machine } from "./compiled-plant.ts";
import type { TagValue } from "./plant.ts";
import { PlantError } from "./plant-error.ts";
import { isBenchCommand, obeyBench, onlyLooks } from "./bench-command.ts";
import type { Composite } from "./machine-parts.ts";
import type { SimulatedPlant } from "./simulated-plant.ts";
import { qualities, type Simulation } from "./simulation.ts";

/** What a publisher is made of. */
export interface PlantPublisherOptions {
  readonly plant: SimulatedPlant;
  readonly bus: Bus;
  readonly log: Log;
  /** Counts status messages that were held back because the bus asked for a pause, and events that it refused. */
  readonly dropped: Counter;
  readonly signal: AbortSignal;
}

/**
 * Says on the bus what the plant does: the presence of each machine and device as the kernel tells that of connected ones, a `status` of each machine with each step, a retained one of a lamp or fan whenever it has changed,
 * an `event` for each alarm. While the bus asks for a pause the plant moves on and readings are left out.
 * Returns what ends it.
 */
export function publishPlant(options: PlantPublisherOptions): () => void {
  const { bus, dropped, signal } = options;
  const { simulation } = options.plant;
  const last = simulation.plant.machines.map(() => new Float64Array(0));
  const began = simulation.now;
  const due = Float64Array.from(simulation.plant.machines, ({ every }) => began + (every ?? 0));
  let paused = false;
  const publish = (machine: Machine, now: number): void => {
    const device = machine.kind !== "machine";
    if (device && !hasChanged(simulation, machine, last)) return;
    if (paused && !device) return void dropped.value++;
    const payload = device ? statusOfDevice(simulation, machine) : statusOfMachine(simulation, machine);
    if (bus.publish({ type: "status", from: machine.id, timestamp: now, payload, retain: device }) || paused) return;
    paused = true;
    bus.ready(signal).then(
      () => (paused = false),
      () => {}, // the signal: the plugin stops
    );
  };
  const tellPresence = (presence: "online" | "offline"): void => {
    for (const { id } of simulation.plant.machines) bus.publish({ type: "event", from: `${id}/presence`, payload: { presence, lastSeen: simulation.now }, retain: true });
  };
  tellPresence("online");
  const end = simulation.listen({
    stepped(now) {
      for (const machine of simulation.plant.machines) {
        if (now < due[machine.index]!) continue;
        if (machine.every !== undefined) due[machine.index] = now + machine.every - ((now - began) % machine.every);
        publish(machine, now);
      }
    },
    written: publish,
    alarm(event) {
      deliverEvent(options, { from: simulation.plant.machines[event.tag.machine]!.id, timestamp: event.timestamp, payload: alarmPayload(event) });
    },
  });
  return () => {
    end();
    tellPresence("offline");
  };
}

/** Delivers an event, qos 1; one that the bus refuses is counted and logged. */
export function deliverEvent(options: PlantPublisherOptions, event: { readonly from: string; readonly timestamp: number; readonly payload: Readonly<Record<string, unknown>> }): void {
  const { bus, log, dropped, signal } = options;
  bus.deliver({ type: "event", ...event, qos: 1 }).catch((error: unknown) => {
    if (signal.aborted) return;
    dropped.value++;
    log.warn("event could not be delivered", { from: event.from, event: event.payload["event"], error });
  });
}

interface Reading {
  readonly tag: string;
  /** That of a tag, or those of an array or a structure. */
  readonly value: unknown;
  readonly unit?: string;
  readonly quality: (typeof qualities)[number];
  /** Only where the clock of its source is wrong. */
  readonly timestamp?: number;
  /** Only where the quality is not good. */
  readonly code?: string;
}

/** A machine's readings (WIRE §1). */
export function statusOfMachine(simulation: Simulation, machine: Machine): { readonly values: readonly Reading[]; readonly quality: string } {
  let worst = 0;
  const values = machine.tags.map((tag): Reading => {
    const quality = simulation.qualityOf(tag);
    const value = simulation.value(tag);
    const reading = tag.unit === "" ? { tag: tag.name, value, quality } : { tag: tag.name, value, unit: tag.unit, quality };
    const shift = simulation.shift[tag.index]!;
    if (quality === "good" && shift === 0) return reading;
    worst = Math.max(worst, qualities.indexOf(quality));
    return { ...reading, ...(shift === 0 ? {} : { timestamp: simulation.now + shift }), ...(quality === "good" ? {} : { code: simulation.codeOf(tag) }) };
  });
  return { values: machine.composites.length === 0 ? values : [...values, ...machine.composites.map((composite) => readingOf(composite, values))], quality: qualities[worst] ?? "bad" };
}

/** The reading of an array or structure: its members' values, and the worst of their qualities. */
function readingOf(composite: Composite, readings: readonly Reading[]): Reading {
  const members = composite.tags.map((name) => readings.find(({ tag }) => tag === name)!);
  const worst = members.reduce((one, other) => (qualities.indexOf(other.quality) > qualities.indexOf(one.quality) ? other : one));
  const value = composite.kind === "array" ? members.map((member) => member.value) : Object.fromEntries(composite.fields.map((field, k) => [field, members[k]!.value]));
  return { tag: composite.name, value, quality: worst.quality, ...(worst.code === undefined ? {} : { code: worst.code }), ...(worst.timestamp === undefined ? {} : { timestamp: worst.timestamp }) };
}

/** A lamp's or fan's state as a flat object, such as `{"on":true,"brightness":80,"power":7.2}`. */
export function statusOfDevice(simulation: Simulation, machine: Machine): Record<string, TagValue> {
  return Object.fromEntries(machine.tags.map((tag) => [tag.name, simulation.value(tag)]));
}

/** What `obey` answers from. */
export interface ObeyOptions {
  readonly plant: SimulatedPlant;
  readonly writes: WriteGuard;
  /** The machine or device the command is for; undefined for the plant as a whole. */
  readonly machine?: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/**
 * Carries out a command.
 * @returns the payload of the `ack` that answers it.
 * @throws what is not the command's fault.
 */
export function obey(command: Envelope, options: ObeyOptions): { readonly msgid: string; readonly status: "ok" | "error"; readonly result: unknown } {
  const { plant, writes, machine, now } = options;
  const { payload } = command;
  try {
    if (!onlyLooks(payload)) writes.check({ target: machine ?? command.to, id: command.from, topic: command.topic, msgid: command.msgid });
    const result = machine === undefined || isBenchCommand(payload) ? obeyBench(payload, { plant, now, ...(machine === undefined ? {} : { machine }) }) : plant.simulation.command(machine, payload, now);
    return { msgid: command.msgid, status: "ok", result };
  } catch (error) {
    if (!(error instanceof PlantError) && !(error instanceof BusbarError && error.code === "FORBIDDEN")) throw error;
    return { msgid: command.msgid, status: "error", result: { code: error.code, message: error.message } };
  }
}

function hasChanged(simulation: Simulation, machine: Machine, last: Float64Array<ArrayBuffer>[]): boolean {
  const first = machine.tags[0]!.index;
  const now = simulation.values.subarray(first, first + machine.tags.length);
  const before = last[machine.index]!;
  if (before.length === now.length && now.every((value, k) => value === before[k])) return false;
  last[machine.index] = now.slice();
  return true;
}

function alarmPayload(event: AlarmEvent): Record<string, unknown> {
  const { tag, level, state, value, limit, severity } = event;
  const message = `${tag.name} is ${value}${tag.unit === "" ? "" : ` ${tag.unit}`}: ${level} alarm ${state === "raised" ? "at" : "over, limit"} ${limit}`;
  return { event: "alarm", alarm: `${tag.name}/${level}`, state, tag: tag.name, level, value, limit, ...(tag.unit === "" ? {} : { unit: tag.unit }), severity, message };
}
