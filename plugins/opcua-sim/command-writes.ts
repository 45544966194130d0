import type { Machine, Tag } from "./compiled-plant.ts";
import { PlantError } from "./plant-error.ts";

/**
 * The writes that a command asks for. A machine takes `{"set":{"<tag>":<value>,…}}`; a lamp or fan takes its set points directly too.
 * @throws {PlantError} BAD_COMMAND or NO_SUCH_TAG.
 */
export function commandWrites(machine: Machine, payload: unknown): readonly (readonly [Tag, unknown])[] {
  const usage = machine.kind === "machine" ? '{"set":{"<tag>":<value>}}' : '{"on":true}';
  const bad = (state: string): never => {
    throw new PlantError("BAD_COMMAND", `Cannot command "${machine.id}": ${state}; it takes ${usage}`);
  };
  if (!isRecord(payload)) return bad(`the payload is ${describe(payload)}`);
  const wrapped = "set" in payload;
  if (wrapped && Object.keys(payload).length > 1) return bad("there is more in it than \"set\"");
  if (!wrapped && machine.kind === "machine") return bad("there is no \"set\" in it");
  const wanted = wrapped ? payload["set"] : payload;
  if (!isRecord(wanted)) return bad(`"set" is ${describe(wanted)}`);
  const entries = Object.entries(wanted);
  if (entries.length === 0) return bad("it asks for nothing");
  return entries.map(([name, value]) => {
    const tag = machine.tags.find((one) => one.name === name);
    if (!tag) throw new PlantError("NO_SUCH_TAG", `Cannot write ${describe(name)} of "${machine.id}": its set points are ${machine.tags.filter((one) => one.writable).map((one) => one.name).join(", ")}`);
    return [tag, value] as const;
  });
}

/** Whether a payload is an object of fields. */
export const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/** A value for an error message, cut short. */
export function describe(value: unknown): string {
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") return typeof value;
  return (JSON.stringify(value) ?? "undefined").slice(0, 80);
}
