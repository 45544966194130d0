import { DataValue, type Namespace, type OPCUAServer, type StatusCode, StatusCodes, type UAObject, type UAVariable, type Variant } from "node-opcua";
import { engineeringUnit } from "./engineering-unit.ts";
import { addOpcuaAlarm } from "./opcua-alarm.ts";
import { addOpcuaComposite, type OpcuaComposite } from "./opcua-composite.ts";
import { installOpcuaHistory } from "./opcua-history.ts";
import type { Answer, Question, ServedMachine, ServedTag, Snapshot } from "./opcua-messages.ts";
import { addOpcuaMethod } from "./opcua-method.ts";
import { statusOfAnswer } from "./opcua-refusal.ts";
import { opcuaTypes, statusCodeOf, variantOf } from "./opcua-variant.ts";

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
  /** Whether tags have a history. */
  readonly history: boolean;
  /** Asks the plant to write, to call or for the past. */
  readonly ask: (question: Question) => Promise<Answer>;
}

/** The namespace of all that belongs to the plant; also the URI of the server. */
export const plantNamespace = "urn:busbar:opcua-sim";

/**
 * Builds `Objects/Plant/<machine>/<tag>`, nodes `ns=1;s=<machine>.<tag>`: AnalogItemType with EURange and EngineeringUnits for
 * numbers (OPC 10000-8 §5.3.2.3), Boolean and String variables for the others; with them the machine's methods, alarms, arrays and structures.
 */
export function createOpcuaSpace(server: OPCUAServer, options: OpcuaSpaceOptions): OpcuaSpace {
  const space = server.engine.addressSpace;
  if (!space) throw new TypeError("Cannot build an address space: the server is not initialized");
  const namespace = space.registerNamespace(plantNamespace); // the server's own one, unless it was shifted
  const folder = { organizedBy: "ObjectsFolder", browseName: "Plant", nodeId: "s=Plant", typeDefinition: "FolderType" };
  const plant = namespace.addObject({ ...folder, ...(options.machines.some(hasAlarm) ? { eventNotifier: 1, notifierOf: space.rootFolder.objects.server } : {}) });
  const places: Place[] = [];
  const composites: OpcuaComposite[] = [];
  const first = new Float64Array(options.snapshot.values);
  for (const machine of options.machines) {
    const place = { organizedBy: plant, browseName: machine.id, nodeId: `s=${machine.id}`, displayName: machine.title, typeDefinition: "FolderType" };
    const object = namespace.addObject({ ...place, ...(hasAlarm(machine) ? { eventNotifier: 1, notifierOf: plant } : {}) });
    for (const tag of machine.tags) places[tag.index] = addTag(namespace, { object, machine, tag, initial: variantOf(tag, first[tag.index]!), options });
    for (const method of machine.methods) addOpcuaMethod(namespace, method, { object, machine, ask: options.ask });
    for (const composite of machine.composites) composites.push(addOpcuaComposite(namespace, composite, { object, machine }));
  }
  const show = createShow(places, composites);
  show(options.snapshot);
  return { show };
}

const hasAlarm = ({ tags }: ServedMachine): boolean => tags.some(({ alarm }) => alarm !== undefined);

/** A tag in the address space. */
interface Place {
  readonly tag: ServedTag;
  show(data: DataValue): void;
  readonly alarm: ((value: number) => void) | undefined;
}

/** Makes what shows the difference between a snapshot and the one before. */
function createShow(places: readonly Place[], composites: readonly OpcuaComposite[]): (snapshot: Snapshot) => void {
  const count = places.length;
  const values = new Float64Array(count).fill(Number.NaN);
  const status = new Uint16Array(count);
  const shift = new Float64Array(count);
  return (snapshot) => {
    const newValues = new Float64Array(snapshot.values);
    const newStatus = new Uint16Array(snapshot.status);
    const newShift = snapshot.shift && new Float64Array(snapshot.shift);
    const codes = snapshot.codes.map(statusCodeOf);
    const now = new Date(snapshot.at);
    const touched = composites.length === 0 ? undefined : new Set<number>();
    for (let i = 0; i < count; i++) {
      const ahead = newShift?.[i] ?? 0;
      if (newValues[i] === values[i] && newStatus[i] === status[i] && ahead === shift[i]) continue;
      values[i] = newValues[i]!;
      status[i] = newStatus[i]!;
      shift[i] = ahead;
      touched?.add(i);
      const { tag, show, alarm } = places[i]!;
      const sourceTimestamp = ahead === 0 ? now : new Date(snapshot.at + ahead);
      const statusCode = codes[status[i]!] ?? StatusCodes.Bad;
      show(new DataValue({ value: variantOf(tag, values[i]!), statusCode, sourceTimestamp, serverTimestamp: now }));
      if (alarm && statusCode === StatusCodes.Good) alarm(values[i]!);
    }
    const statusOf = (index: number): StatusCode => codes[status[index]!] ?? StatusCodes.Bad;
    for (const composite of composites) if (composite.members.some((member) => touched!.has(member))) composite.show({ values, statusOf, at: now });
  };
}

interface TagPlace {
  readonly object: UAObject;
  readonly machine: ServedMachine;
  readonly tag: ServedTag;
  readonly initial: Variant;
  readonly options: OpcuaSpaceOptions;
}

/** Adds the variable of a tag, its history and its alarm. */
function addTag(namespace: Namespace, place: TagPlace): Place {
  const { tag, options, object, machine } = place;
  const [variable, show] = tag.writable ? addSetpoint(namespace, place) : addReading(namespace, place);
  if (options.history) installOpcuaHistory(variable, tag, options.ask);
  return { tag, show, alarm: tag.alarm && addOpcuaAlarm(namespace, { machine: object, tag, variable, nodeId: `s=${machine.id}.${tag.name}-alarm` }) };
}

function addReading(namespace: Namespace, place: TagPlace): readonly [UAVariable, Place["show"]] {
  const variable = addVariable(namespace, place, { minimumSamplingInterval: 0, accessLevel: "CurrentRead", value: place.initial });
  return [variable, (data) => variable.setValueFromSource(data.value, data.statusCode, data.sourceTimestamp ?? undefined)];
}

/** A set point is read through a getter: node-opcua keeps even a refused value in a variable without one. */
function addSetpoint(namespace: Namespace, place: TagPlace): readonly [UAVariable, Place["show"]] {
  const { tag, options } = place;
  let current = new DataValue({ value: place.initial, sourceTimestamp: new Date(options.snapshot.at) });
  const variable = addVariable(namespace, place, {
    minimumSamplingInterval: options.sampling,
    accessLevel: "CurrentRead | CurrentWrite",
    value: {
      timestamped_get: () => current,
      timestamped_set: async (wanted: DataValue) => {
        const value: unknown = wanted.value.value;
        if (typeof value !== "number" && typeof value !== "boolean" && typeof value !== "string") return StatusCodes.BadTypeMismatch;
        const answer = await options.ask({ ask: "write", tag: tag.index, value });
        // What the plant has made of it is shown at once, not with the next snapshot: whoever writes reads back.
        if (answer.number !== undefined) current = new DataValue({ value: variantOf(tag, answer.number), statusCode: current.statusCode, sourceTimestamp: new Date() });
        return statusOfAnswer(answer);
      },
    },
  });
  return [variable, (data) => void (current = data)];
}

/** What differs between a reading and a set point. */
interface VariableKind {
  readonly minimumSamplingInterval: number;
  readonly accessLevel: string;
  readonly value: Variant | { readonly timestamped_get: () => DataValue; readonly timestamped_set: (wanted: DataValue) => Promise<StatusCode> };
}

function addVariable(namespace: Namespace, place: TagPlace, kind: VariableKind): UAVariable {
  const { object, machine, tag, options } = place;
  const accessLevel = options.history ? `${kind.accessLevel} | HistoryRead` : kind.accessLevel;
  const base = { componentOf: object, browseName: tag.name, nodeId: `s=${machine.id}.${tag.name}`, dataType: opcuaTypes[tag.kind], ...kind, accessLevel, ...(tag.alarm ? { eventSourceOf: object } : {}) };
  if (tag.kind === "bool" || tag.kind === "string") return namespace.addVariable(base);
  const unit = engineeringUnit(tag.unit);
  const range = { low: tag.low, high: tag.high };
  return namespace.addAnalogDataItem({ ...base, engineeringUnitsRange: range, ...(unit ? { engineeringUnits: { ...unit } } : {}) });
}
