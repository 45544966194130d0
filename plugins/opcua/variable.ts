import { AttributeIds, DataType, type DataValue, type NodeId, NodeClass, type StatusCode } from "node-opcua-client";
import { type DataTypeInfo, enumerationOf, readProperties } from "./data-type.ts";
import type { ServerView } from "./server-view.ts";

/** What a server says about a variable besides its value. */
export interface VariableInfo {
  readonly nodeId: NodeId;
  readonly dataType: DataTypeInfo;
  /** -1 scalar, 1 array, n a matrix of n dimensions, 0 one or more dimensions, -2 anything, -3 scalar or array (OPC 10000-3 §5.6.2). */
  readonly valueRank: number;
  /** The length of each dimension, 0 where it may vary; empty where the server states none. */
  readonly arrayDimensions: readonly number[];
  /** Whether this session's user may read, write, and read its history. */
  readonly readable: boolean;
  readonly writable: boolean;
  readonly history: boolean;
  /** The engineering unit as it is displayed, such as `°C` (OPC 10000-8 §5.6.4.3). */
  readonly unit: string | undefined;
  /** EURange: the values of normal operation (OPC 10000-8 §5.6.4.2). */
  readonly range: { readonly low: number; readonly high: number } | undefined;
  /** The names of its values: of an enumeration, or of a MultiStateDiscrete. */
  readonly enumeration: ReadonlyMap<number, string> | undefined;
}

const attributes = [AttributeIds.NodeClass, AttributeIds.DataType, AttributeIds.ValueRank, AttributeIds.ArrayDimensions, AttributeIds.AccessLevel, AttributeIds.UserAccessLevel] as const;
const propertyNames = ["EngineeringUnits", "EURange", "EnumStrings", "EnumValues"];
/** Bits of AccessLevel (OPC 10000-3 §8.57). */
const access = { read: 1, write: 2, history: 4 } as const;

/** Reads what there is to know about variables. A node that is no variable, or cannot be read, gives its StatusCode in place. @throws {Error} of the client library when the server does not answer. */
export async function readVariables(view: ServerView, ids: readonly NodeId[], { signal }: { readonly signal: AbortSignal }): Promise<(VariableInfo | StatusCode)[]> {
  const width = attributes.length;
  const values = await view.read(ids.flatMap((nodeId) => attributes.map((attributeId) => ({ nodeId, attributeId }))), { signal });
  const rows = ids.map((_, at) => values.slice(at * width, at * width + width));
  const variables = rows.flatMap((row, at) => (isVariable(row) ? [at] : []));
  const properties = await readProperties(view, variables.map((at) => ids[at]!), { names: propertyNames, signal });
  const types = await view.types.get(variables.map((at) => rows[at]![1]!.value.value as NodeId), { signal });
  const infos: (VariableInfo | StatusCode)[] = rows.map((row) => (row[0]!.statusCode.value === 0 ? row[1]! : row[0]!).statusCode);
  for (const [place, at] of variables.entries()) {
    const [, type, rank, dimensions, level, userLevel] = rows[at]! as [DataValue, DataValue, DataValue, DataValue, DataValue, DataValue];
    const dataType = types.get((type.value.value as NodeId).toString())!;
    const bits = Number(goodOr(userLevel, goodOr(level, access.read)));
    const found = properties[place]!;
    infos[at] = {
      nodeId: ids[at]!,
      dataType,
      valueRank: Number(goodOr(rank, -2)),
      arrayDimensions: Array.from((goodOr(dimensions, []) as Iterable<number> | null) ?? []),
      readable: (bits & access.read) !== 0,
      writable: (bits & access.write) !== 0,
      history: (bits & access.history) !== 0,
      unit: (found.get("EngineeringUnits") as { readonly displayName?: { readonly text?: string | null } } | undefined)?.displayName?.text ?? undefined,
      range: rangeOf(found.get("EURange")),
      enumeration: dataType.enumeration ?? enumerationOf(found),
    };
  }
  return infos;
}

function isVariable([nodeClass, dataType]: readonly DataValue[]): boolean {
  return nodeClass?.value.value === NodeClass.Variable && dataType?.statusCode.value === 0 && dataType.value.dataType === DataType.NodeId;
}

function rangeOf(value: unknown): VariableInfo["range"] {
  const { low, high } = (value ?? {}) as { readonly low?: unknown; readonly high?: unknown };
  return typeof low === "number" && typeof high === "number" && low < high ? { low, high } : undefined; // 0-0 is what servers state that know none
}

const goodOr = (data: DataValue, fallback: unknown): unknown => (data.statusCode.value === 0 ? data.value.value : fallback);
