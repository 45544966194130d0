import { AttributeIds, constructEventFilter, type ExtensionObject, type MonitoredItemCreateRequestOptions, type MonitoredItemCreateResult, MonitoringMode, NodeId, ObjectTypeIds, type StatusCode, type Variant } from "node-opcua-client";
import { formatNodeId } from "./node-id.ts";

/** What is selected of each event where the server has it all, in this order. The Id of a state is its truth value, its own value a text for people (OPC 10000-9 §5.2). */
export const eventFields = [
  "EventId", "EventType", "SourceNode", "SourceName", "Time", "Message", "Severity",
  "ConditionId", "ConditionName", "BranchId", "Retain", "Comment", "ClientUserId",
  "EnabledState.Id", "ActiveState.Id", "AckedState.Id", "ConfirmedState.Id", "SuppressedState.Id", "ShelvingState.CurrentState.Id", "ShelvingState.CurrentState", "LimitState.CurrentState",
] as const;

/** One of them. */
export type EventField = (typeof eventFields)[number];

/** An event as the server tells it. Absent fields are those that its type does not have. */
export interface OpcuaEvent {
  /** Identifies this event; a command to a condition names it. */
  readonly eventId: Buffer;
  /** The name of a type of namespace 0, else the node id of the type. */
  readonly type: string;
  readonly sourceName: string;
  /** Milliseconds since the Unix epoch; undefined where the server states none. */
  readonly time: number | undefined;
  readonly message: string;
  /** 1 to 1000 (OPC 10000-5 §6.4.2). */
  readonly severity: number;
  /** Of an event that tells the state of a condition. */
  readonly condition: ConditionState | undefined;
}

/** The state of a condition, or of one of its branches (OPC 10000-9 §5.5). */
export interface ConditionState {
  /** As text that stays true when the server numbers its namespaces anew. */
  readonly id: string;
  readonly nodeId: NodeId;
  readonly name: string;
  /** Undefined: the condition itself. */
  readonly branch: string | undefined;
  /** Whether it is still of interest: active, or not acknowledged, or not confirmed. */
  readonly retain: boolean;
  readonly enabled: boolean;
  /** Undefined: it is no alarm, its state is not active or inactive. */
  readonly active: boolean | undefined;
  readonly acknowledged: boolean | undefined;
  readonly confirmed: boolean | undefined;
  readonly suppressed: boolean | undefined;
  readonly shelved: boolean | undefined;
  /** Which limit, such as `HighHigh`. */
  readonly level: string | undefined;
  readonly comment: string | undefined;
  /** Who acted on it last, as the server knows them. */
  readonly by: string | undefined;
}

/** Where a ConditionRefresh begins and ends, and that one is needed (OPC 10000-9 §5.11). */
export const refreshTypes = { start: "RefreshStartEventType", end: "RefreshEndEventType", required: "RefreshRequiredEventType" } as const;

/** Unshelved, TimedShelved and OneShotShelved of ShelvedStateMachineType (OPC 10000-9 §5.8.17). */
const shelvingStates: ReadonlyMap<unknown, boolean> = new Map([[2930, false], [2932, true], [2933, true]]);
const typeNames: ReadonlyMap<number, string> = new Map(Object.entries(ObjectTypeIds).flatMap(([name, id]): [number, string][] => (typeof id === "number" ? [[id, name]] : [])));

/** The monitored item that hears the events of a node: an object that is a notifier, such as `i=2253`, the server, which has those of all. */
export function eventItem(nodeId: NodeId, { handle, queue = 1_000, fields = eventFields }: { readonly handle: number; readonly queue?: number; readonly fields?: readonly EventField[] }): MonitoredItemCreateRequestOptions {
  const filter = constructEventFilter([...fields]) as unknown as ExtensionObject;
  return { itemToMonitor: { nodeId, attributeId: AttributeIds.EventNotifier }, monitoringMode: MonitoringMode.Reporting, requestedParameters: { clientHandle: handle, samplingInterval: 0, queueSize: queue, discardOldest: true, filter } };
}

/** The fields that a server has, where it has refused an item because of the others; undefined where that is not why. Servers without conditions do so, though they should leave such fields empty (OPC 10000-4 §7.22.3). */
export function fieldsTaken({ statusCode, filterResult }: MonitoredItemCreateResult, fields: readonly EventField[]): readonly EventField[] | undefined {
  const results = (filterResult as { readonly selectClauseResults?: readonly StatusCode[] | null } | null)?.selectClauseResults;
  if (statusCode.isGoodish() || results?.length !== fields.length) return undefined;
  const taken = fields.filter((_, at) => results[at]!.isGoodish());
  return taken.length > 0 && taken.length < fields.length ? taken : undefined;
}

/** Reads the values of the fields that an item selects. Undefined for an event without an id, which no server should send. */
export function decodeEvent(values: readonly Variant[], { namespaces, fields = eventFields }: { readonly namespaces: readonly string[]; readonly fields?: readonly EventField[] | undefined }): OpcuaEvent | undefined {
  const valueOf = (name: EventField): unknown => values[fields.indexOf(name)]?.value as unknown;
  const textOf = (name: EventField): string | undefined => {
    const value = valueOf(name);
    const text = typeof value === "object" && value !== null ? (value as { readonly text?: unknown }).text : value;
    return typeof text === "string" && text !== "" ? text : undefined;
  };
  const truthOf = (name: EventField): boolean | undefined => (typeof valueOf(name) === "boolean" ? (valueOf(name) as boolean) : undefined);
  const [eventId, type, time, severity, conditionId, branchId, shelving] = (["EventId", "EventType", "Time", "Severity", "ConditionId", "BranchId", "ShelvingState.CurrentState.Id"] as const).map(valueOf);
  if (!(eventId instanceof Uint8Array)) return undefined;
  const retain = truthOf("Retain");
  const condition: ConditionState | undefined = !isNode(conditionId) || retain === undefined ? undefined : {
    id: formatNodeId(conditionId, namespaces),
    nodeId: conditionId,
    name: textOf("ConditionName") ?? formatNodeId(conditionId, namespaces),
    branch: isNode(branchId) ? formatNodeId(branchId, namespaces) : undefined,
    retain,
    enabled: truthOf("EnabledState.Id") ?? true,
    active: truthOf("ActiveState.Id"),
    acknowledged: truthOf("AckedState.Id"),
    confirmed: truthOf("ConfirmedState.Id"),
    suppressed: truthOf("SuppressedState.Id"),
    shelved: isShelved(shelving, textOf("ShelvingState.CurrentState")),
    level: textOf("LimitState.CurrentState"),
    comment: textOf("Comment"),
    by: textOf("ClientUserId"),
  };
  return {
    eventId: Buffer.from(eventId),
    type: isNode(type) ? ((type.namespace === 0 ? typeNames.get(type.value as number) : undefined) ?? formatNodeId(type, namespaces)) : "BaseEventType",
    sourceName: (textOf("SourceName") ?? "").replace(/^\d+:/, ""), // node-opcua's servers say 2:press-1, which changes when they number their namespaces anew
    time: time instanceof Date && time.getTime() > 0 ? time.getTime() : undefined,
    message: textOf("Message") ?? "",
    severity: typeof severity === "number" ? severity : 1,
    condition,
  };
}

/** By the state's id; servers that give the id of a node of their own tell it by the text. */
function isShelved(id: unknown, text: string | undefined): boolean | undefined {
  const known = isNode(id) && id.namespace === 0 ? shelvingStates.get(id.value) : undefined;
  return known ?? (text === undefined ? undefined : /^unshelved$/i.test(text) ? false : /shelved$/i.test(text) ? true : undefined);
}

const isNode = (value: unknown): value is NodeId => value instanceof NodeId && !value.isEmpty();
