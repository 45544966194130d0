import { DataType, DataValue, type Namespace, type OPCUAServer, type StatusCode, StatusCodes, type UAFolder, type UAVariable, Variant } from "node-opcua";
import { valueOf } from "./compiled-plant.ts";
import { engineeringUnit } from "./engineering-unit.ts";
import type { ServedMachine, ServedTag, Snapshot } from "./opcua-messages.ts";
import type { TagValue } from "./plant.ts";

/** The plant in the address space of a server. */
export interface OpcuaSpace {
  /** Shows the values of a snapshot: what has not changed is not touched. */
  show(snapshot: Snapshot): void;
}

/** How the address space is built. */
export interface OpcuaSpaceOptions {
  readonly machines: readonly ServedMachine[];
  readonly snapshot: Snapshot;
  /** Milliseconds between two samples of a set point. */
  readonly sampling: number;
  /** Has a set point written; resolves to Good, or to why it was not. */
  readonly write: (tag: ServedTag, value: TagValue) => Promise<StatusCode>;
}

/** The namespace of all that belongs to the plant; also the URI of the server. */
export const plantNamespace = "urn:busbar:opcua-sim";

const dataTypes = { float: DataType.Double, int: DataType.Int32, bool: DataType.Boolean, string: DataType.String } as const;
/** The StatusCode of that name, or, where the library has none, the one of its severity. */
function statusCodeOf(name: string): StatusCode {
  const known = (StatusCodes as unknown as Readonly<Record<string, StatusCode | undefined>>)[name];
  return known ?? (name.startsWith("Uncertain") ? StatusCodes.Uncertain : StatusCodes.Bad);
}

/**
 * Builds `Objects/Plant/<machine>/<tag>`, nodes `ns=1;s=<machine>.<tag>`: AnalogItemType with EURange and EngineeringUnits for
 * numbers (OPC 10000-8 §5.3.2.3), Boolean and String variables for the others.
 */
export function createOpcuaSpace(server: OPCUAServer, options: OpcuaSpaceOptions): OpcuaSpace {
  const space = server.engine.addressSpace;
  if (!space) throw new TypeError("Cannot build an address space: the server is not initialized");
  const namespace = space.registerNamespace(plantNamespace); // the server's own one, unless it was shifted
  const plant = namespace.addFolder("ObjectsFolder", { browseName: "Plant", nodeId: "s=Plant" });
  const count = options.machines.reduce((sum, machine) => sum + machine.tags.length, 0);
  const values = new Float64Array(count).fill(Number.NaN);
  const status = new Uint16Array(count);
  const shift = new Float64Array(count);
  const showers: ((data: DataValue) => void)[] = [];
  const tags: ServedTag[] = [];
  const first = new Float64Array(options.snapshot.values);
  for (const machine of options.machines) {
    const folder = namespace.addFolder(plant, { browseName: machine.id, nodeId: `s=${machine.id}`, displayName: machine.title });
    for (const tag of machine.tags) {
      tags[tag.index] = tag;
      showers[tag.index] = addTag(namespace, { folder, machine, tag, initial: variantOf(tag, first[tag.index]!), options });
    }
  }
  const show = (snapshot: Snapshot): void => {
    const newValues = new Float64Array(snapshot.values);
    const newStatus = new Uint16Array(snapshot.status);
    const newShift = snapshot.shift && new Float64Array(snapshot.shift);
    const codes = snapshot.codes.map(statusCodeOf);
    const now = new Date(snapshot.at);
    for (let i = 0; i < count; i++) {
      const ahead = newShift?.[i] ?? 0;
      if (newValues[i] === values[i] && newStatus[i] === status[i] && ahead === shift[i]) continue;
      values[i] = newValues[i]!;
      status[i] = newStatus[i]!;
      shift[i] = ahead;
      const sourceTimestamp = ahead === 0 ? now : new Date(snapshot.at + ahead);
      showers[i]!(new DataValue({ value: variantOf(tags[i]!, values[i]!), statusCode: codes[status[i]!] ?? StatusCodes.Bad, sourceTimestamp, serverTimestamp: now }));
    }
  };
  show(options.snapshot);
  return { show };
}

interface TagPlace {
  readonly folder: UAFolder;
  readonly machine: ServedMachine;
  readonly tag: ServedTag;
  readonly initial: Variant;
  readonly options: OpcuaSpaceOptions;
}

/** Adds the variable of a tag. Returns what shows a new value of it. */
function addTag(namespace: Namespace, place: TagPlace): (data: DataValue) => void {
  const { tag, options } = place;
  if (!tag.writable) {
    const variable = addVariable(namespace, place, { minimumSamplingInterval: 0, accessLevel: "CurrentRead", value: place.initial });
    return (data) => variable.setValueFromSource(data.value, data.statusCode, data.sourceTimestamp ?? undefined);
  }
  // A set point is read through a getter: node-opcua keeps even a refused value in a variable without one.
  let current = new DataValue({ value: place.initial, sourceTimestamp: new Date(options.snapshot.at) });
  addVariable(namespace, place, {
    minimumSamplingInterval: options.sampling,
    accessLevel: "CurrentRead | CurrentWrite",
    value: {
      timestamped_get: () => current,
      timestamped_set: async (wanted: DataValue) => {
        const value: unknown = wanted.value.value;
        if (typeof value !== "number" && typeof value !== "boolean" && typeof value !== "string") return StatusCodes.BadTypeMismatch;
        const status = await options.write(tag, value);
        if (status === StatusCodes.Good) current = new DataValue({ value: wanted.value, sourceTimestamp: new Date() });
        return status;
      },
    },
  });
  return (data) => void (current = data);
}

/** What differs between a reading and a set point. */
interface VariableKind {
  readonly minimumSamplingInterval: number;
  readonly accessLevel: string;
  readonly value: Variant | { readonly timestamped_get: () => DataValue; readonly timestamped_set: (wanted: DataValue) => Promise<StatusCode> };
}

function addVariable(namespace: Namespace, place: TagPlace, kind: VariableKind): UAVariable {
  const { folder, machine, tag } = place;
  const base = { componentOf: folder, browseName: tag.name, nodeId: `s=${machine.id}.${tag.name}`, dataType: DataType[dataTypes[tag.kind]], ...kind };
  if (tag.kind === "bool" || tag.kind === "string") return namespace.addVariable(base);
  const unit = engineeringUnit(tag.unit);
  const range = { low: tag.low, high: tag.high };
  return namespace.addAnalogDataItem({ ...base, engineeringUnitsRange: range, ...(unit ? { engineeringUnits: { ...unit } } : {}) });
}

function variantOf(tag: ServedTag, number: number): Variant {
  return new Variant({ dataType: dataTypes[tag.kind], value: valueOf(tag, number) });
}
