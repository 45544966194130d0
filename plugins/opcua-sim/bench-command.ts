import * as v from "valibot";
import { describe, isRecord } from "./command-writes.ts";
import { type FaultInput } from "./fault.ts";
import type { ActiveFault } from "./faults.ts";
import { callMethod } from "./machine-method.ts";
import { PlantError } from "./plant-error.ts";
import type { SimulatedPlant } from "./simulated-plant.ts";

const onlyTrue = v.literal(true);

/** What the test bench is asked, besides set points: one thing at a time. */
const commandSchema = v.union([
  v.strictObject({ fault: v.record(v.string(), v.unknown()) }),
  v.strictObject({ clear: v.union([onlyTrue, v.pipe(v.string(), v.maxLength(32))]) }),
  v.strictObject({ faults: onlyTrue }),
  v.strictObject({ requests: v.union([onlyTrue, v.literal("reset")]) }),
  v.strictObject({ call: v.strictObject({ method: v.pipe(v.string(), v.maxLength(64)), arguments: v.optional(v.record(v.string(), v.unknown())) }) }),
]);

const words = ["fault", "clear", "faults", "requests", "call"];
const usage = '{"fault":{"kind":…}}, {"clear":true|"<id>"}, {"faults":true} {"requests":true|"reset"} or, a machine, {"call":{"method":…,"arguments":{…}}}';

/** Whether a command is for the test bench and not for the set points of a machine. */
export function isBenchCommand(payload: unknown): boolean {
  return isRecord(payload) && words.some((word) => Object.hasOwn(payload, word));
}

/** Whether it only asks for something. */
export function onlyLooks(payload: unknown): boolean {
  return isRecord(payload) && (payload["faults"] === true || payload["requests"] === true);
}

/**
 * Obeys a command to the test bench: `{"fault":{…}}` begins one, `{"clear":true}` or `{"clear":"f1"}` ends all or one, `{"faults":true}` lists them,
 * `{"requests":true}` counts the Modbus requests and `{"requests":"reset"}` begins to count anew; `{"call":{"method":"start"}}` calls a method of a machine. Given to a machine, it is about that machine alone.
 * @returns the result of the answer.
 * @throws {PlantError} BAD_COMMAND.
 */
export function obeyBench(payload: unknown, target: { readonly plant: SimulatedPlant; readonly machine?: string; readonly now: number }): Record<string, unknown> {
  const { plant, machine, now } = target;
  const { faults, requests } = plant;
  const parsed = v.safeParse(commandSchema, payload);
  if (!parsed.success) throw new PlantError("BAD_COMMAND", `Cannot obey ${describe(payload)}: it takes ${usage}`);
  const command = parsed.output;
  const isHere = ({ fault }: ActiveFault): boolean => machine === undefined || ("machine" in fault && fault.machine === machine);
  if ("fault" in command) {
    const active = faults.inject({ ...command.fault, ...(machine === undefined ? {} : { machine }) } as FaultInput);
    return { fault: active.id, faults: faults.active.filter(isHere).map(tellFault) };
  }
  if ("clear" in command) {
    const { clear } = command;
    const cleared = faults.clear((active) => isHere(active) && (clear === true || active.id === clear));
    return { cleared, faults: faults.active.filter(isHere).map(tellFault) };
  }
  if ("call" in command) {
    const found = machine === undefined ? undefined : plant.simulation.machine(machine);
    if (!found) throw new PlantError("BAD_COMMAND", "Cannot call a method of the plant: its machines have methods");
    const { method, arguments: given = {} } = command.call;
    return callMethod(found, { method, arguments: given }, { simulation: plant.simulation, now });
  }
  if ("faults" in command) return { faults: faults.active.filter(isHere).map(tellFault) };
  const unit = machine === undefined ? {} : { unit: (plant.simulation.machine(machine)?.index ?? -1) + 1, ...(plant.modbus ? { port: plant.modbus.port } : {}) };
  if (command.requests === "reset") requests.reset();
  return { total: requests.total(unit), requests: requests.rows(unit) };
}

/** A fault as it is told on the bus: its fields, its id, since when it is there, and what it has struck. */
export function tellFault({ id, fault, since, hits }: ActiveFault): Record<string, unknown> {
  return { id, ...fault, since, hits };
}
