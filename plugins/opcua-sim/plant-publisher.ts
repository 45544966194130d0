import { BusbarError, type Bus, type Counter, type Envelope, type Log, type WriteGuard } from "@busbar/core";
import type { AlarmEvent } from "./alarm.ts";
import type { Machine } from "./compiled-plant.ts";
import type { TagValue } from "./plant.ts";
import { PlantError } from "./plant-error.ts";
import { qualities, type Simulation } from "./simulation.ts";

/** What a publisher is made of. */
export interface PlantPublisherOptions {
  readonly simulation: Simulation;
  readonly bus: Bus;
  readonly log: Log;
  /** Counts status messages that were held back because the bus asked for a pause, and alarms that it refused. */
  readonly dropped: Counter;
  readonly signal: AbortSignal;
}

/**
 * Says on the bus what the plant does: the presence of each machine and device as the kernel tells that of connected ones, a `status` of each machine with each step, a retained one of a lamp or fan whenever it has changed,
 * an `event` for each alarm. While the bus asks for a pause the plant moves on and readings are left out.
 * Returns what ends it.
 */
export function publishPlant(options: PlantPublisherOptions): () => void {
  const { simulation, bus, log, dropped, signal } = options;
  const last = simulation.plant.machines.map(() => new Float64Array(0));
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
      for (const machine of simulation.plant.machines) publish(machine, now);
    },
    written: publish,
    alarm(event) {
      const from = simulation.plant.machines[event.tag.machine]!.id;
      bus.deliver({ type: "event", from, timestamp: event.timestamp, payload: alarmPayload(event), qos: 1 }).catch((error: unknown) => {
        if (signal.aborted) return;
        dropped.value++;
        log.warn("alarm could not be delivered", { machine: from, tag: event.tag.name, error });
      });
    },
  });
  return () => {
    end();
    tellPresence("offline");
  };
}

/** A machine's readings (WIRE §1). */
export function statusOfMachine(simulation: Simulation, machine: Machine): { readonly values: readonly object[]; readonly quality: string } {
  let worst = 0;
  const values = machine.tags.map((tag) => {
    const grade = simulation.quality[tag.index]!;
    worst = Math.max(worst, grade);
    const value = simulation.value(tag);
    return tag.unit === "" ? { tag: tag.name, value, quality: qualities[grade] } : { tag: tag.name, value, unit: tag.unit, quality: qualities[grade] };
  });
  return { values, quality: qualities[worst] ?? "bad" };
}

/** A lamp's or fan's state as a flat object, such as `{"on":true,"brightness":80,"power":7.2}`. */
export function statusOfDevice(simulation: Simulation, machine: Machine): Record<string, TagValue> {
  return Object.fromEntries(machine.tags.map((tag) => [tag.name, simulation.value(tag)]));
}

/** What `obey` answers from. */
export interface ObeyOptions {
  readonly simulation: Simulation;
  readonly writes: WriteGuard;
  /** The machine or device the command is for. */
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/**
 * Carries out a command.
 * @returns the payload of the `ack` that answers it.
 * @throws what is not the command's fault.
 */
export function obey(command: Envelope, options: ObeyOptions): { readonly msgid: string; readonly status: "ok" | "error"; readonly result: unknown } {
  const { simulation, writes, id, now } = options;
  try {
    writes.check({ target: id, id: command.from, topic: command.topic, msgid: command.msgid });
    return { msgid: command.msgid, status: "ok", result: simulation.command(id, command.payload, now) };
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
