import type { Machine } from "./compiled-plant.ts";
import { describe, isRecord } from "./command-writes.ts";
import type { TagValue } from "./plant.ts";
import { PlantError } from "./plant-error.ts";
import type { Simulation } from "./simulation.ts";

/** What a method is called with: its arguments by name. */
export interface MethodCall {
  readonly method: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/**
 * Calls a method of a machine: its set points are written and its counters set back, all or nothing.
 * @returns what the counters stood at, by tag.
 * @throws {PlantError} NO_SUCH_METHOD, BAD_COMMAND for an argument too many or too few, or as `Simulation.write`.
 */
export function callMethod(machine: Machine, call: MethodCall, target: { readonly simulation: Simulation; readonly now: number }): Record<string, TagValue> {
  const { simulation, now } = target;
  const method = machine.methods.find(({ name }) => name === call.method);
  if (!method) throw new PlantError("NO_SUCH_METHOD", `Cannot call ${describe(call.method)} of "${machine.id}": its methods are ${machine.methods.map(({ name }) => name).join(", ") || "none"}`);
  const given = call.arguments ?? {};
  if (!isRecord(given)) throw new PlantError("BAD_COMMAND", `Cannot call "${method.name}" of "${machine.id}": its arguments are ${describe(given)}, not an object`);
  const wrong = [...Object.keys(given).filter((name) => !method.arguments.some((one) => one.name === name)), ...method.arguments.filter(({ name }) => !Object.hasOwn(given, name)).map(({ name }) => name)];
  if (wrong.length > 0) throw new PlantError("BAD_COMMAND", `Cannot call "${method.name}" of "${machine.id}": it takes ${method.arguments.map(({ name }) => name).join(", ") || "no arguments"}, see ${describe(wrong)}`);
  const tagOf = (name: string) => machine.tags.find((tag) => tag.name === name)!;
  const counters = method.reset.map(tagOf);
  const before = Object.fromEntries(counters.map((tag) => [tag.name, simulation.value(tag)]));
  simulation.writeAll([...Object.entries(method.set).map(([tag, value]) => [tagOf(tag), value] as const), ...method.arguments.map(({ name, tag }) => [tagOf(tag), given[name]] as const)], now);
  simulation.reset(counters, now);
  return before;
}
