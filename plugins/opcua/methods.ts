import { AttributeIds, type NodeId, StatusCodes, type Variant } from "node-opcua-client";
import { CommandError, errorOfFault, errorOfStatus } from "./command-error.ts";
import { type DataTypeInfo, readProperties } from "./data-type.ts";
import { type NodeAddress, parseNodeAddress } from "./node-id.ts";
import { type Resolved, resolveNodes } from "./resolve-nodes.ts";
import type { ServerView } from "./server-view.ts";
import { fromJson } from "./value-input.ts";
import { toJson } from "./values.ts";

/** A method at a server. */
export interface MethodTarget {
  /** What the sender of a command calls it; for messages. */
  readonly name: string;
  /** The object that it is called on. */
  readonly object: NodeId;
  readonly method: NodeId;
}

/** An input or output of a method (OPC 10000-3 §8.6). */
export interface MethodArgument {
  readonly name: string;
  readonly dataType: DataTypeInfo;
  readonly valueRank: number;
  readonly arrayDimensions: readonly number[];
  readonly description: string;
}

/** What a method takes and gives. */
export interface MethodSignature {
  readonly inputs: readonly MethodArgument[];
  readonly outputs: readonly MethodArgument[];
}

/** An Argument as the server holds it. */
interface RawArgument {
  readonly name?: string | null;
  readonly dataType: NodeId;
  readonly valueRank: number;
  readonly arrayDimensions?: Iterable<number> | null;
  readonly description?: { readonly text?: string | null } | null;
}

/** A method as a config names it: `object` and `method` are addresses, or `method` is a browse name below the object, such as `2:reset`. */
export interface MethodEntry {
  readonly name: string;
  readonly object: string;
  readonly method: string;
}

/** Finds the nodes of methods; a problem in the place of one that the server does not have. @throws {Error} of the client library when the server does not answer. */
export async function resolveMethods(view: ServerView, entries: readonly MethodEntry[], { signal }: { readonly signal: AbortSignal }): Promise<(MethodTarget | { readonly problem: string })[]> {
  const objects = await resolveNodes(view, entries.map(({ object }) => parseNodeAddress(object)), { signal });
  const methods = await resolveNodes(view, entries.map(({ method }, at) => addressOf(method, objects[at]!)), { signal });
  return entries.map(({ name }, at) => {
    const [object, method] = [objects[at]!, methods[at]!];
    return "problem" in object ? object : "problem" in method ? method : { name, object: object.nodeId, method: method.nodeId };
  });
}

function addressOf(method: string, object: Resolved): NodeAddress {
  if (method.startsWith("/") || /^(?:ns=\d+;|nsu=[^;]+;)?[isgb]=/.test(method)) return parseNodeAddress(method);
  const address = parseNodeAddress(`/${method}`);
  return address.kind === "path" && "nodeId" in object ? { ...address, start: object.nodeId } : address;
}

/** Reads what methods take and give, in bulk. @throws {Error} of the client library when the server does not answer. */
export async function readSignatures(view: ServerView, methods: readonly NodeId[], { signal }: { readonly signal: AbortSignal }): Promise<MethodSignature[]> {
  const properties = await readProperties(view, methods, { names: ["InputArguments", "OutputArguments"], signal });
  const raw = properties.map((found) => ["InputArguments", "OutputArguments"].map((name) => (found.get(name) as readonly RawArgument[] | undefined) ?? []));
  const types = await view.types.get(raw.flat(2).map(({ dataType }) => dataType), { signal });
  const argument = ({ name, dataType, valueRank, arrayDimensions, description }: RawArgument): MethodArgument => ({
    name: name ?? "", dataType: types.get(dataType.toString())!, valueRank, arrayDimensions: Array.from(arrayDimensions ?? []), description: description?.text ?? "",
  });
  return raw.map(([inputs = [], outputs = []]) => ({ inputs: inputs.map(argument), outputs: outputs.map(argument) }));
}

/**
 * Calls a method (OPC 10000-4 §5.11.2). `given` are its inputs by name, or in order as an array; each is held against the type that the server states.
 * @returns its outputs by name; an output without a name goes by its place, counted from 0.
 * @throws {CommandError} BAD_COMMAND, WRONG_TYPE, OUT_OF_RANGE: it was not called. NO_SUCH_METHOD, FORBIDDEN, FAILED, …: the server refused.
 */
export async function callMethod(view: ServerView, target: MethodTarget, { given, signal }: { readonly given: unknown; readonly signal: AbortSignal }): Promise<Readonly<Record<string, unknown>>> {
  const what = `call ${JSON.stringify(target.name.slice(0, 100))}`;
  try {
    const [[signature], [nodeClass, executable]] = await Promise.all([
      readSignatures(view, [target.method], { signal }),
      view.read([AttributeIds.NodeClass, AttributeIds.UserExecutable].map((attributeId) => ({ nodeId: target.method, attributeId })), { signal }),
    ]);
    if (nodeClass?.statusCode.value !== 0) throw new CommandError("NO_SUCH_METHOD", `Cannot ${what}: the server says ${nodeClass?.statusCode.name}`, { status: nodeClass?.statusCode.name ?? "" });
    if (executable?.statusCode.value === 0 && executable.value.value === false) throw new CommandError("FORBIDDEN", `Cannot ${what}: the server does not let this user call it`);
    const { inputs, outputs } = signature!;
    const values = inOrder(given, inputs, what);
    const inputArguments = await Promise.all(inputs.map(({ name, dataType, valueRank, arrayDimensions }, at) =>
      fromJson(values[at], { dataType, valueRank, arrayDimensions, range: undefined, enumeration: dataType.enumeration }, { session: view.session, namespaces: view.namespaces, what: `argument ${JSON.stringify(name)}` })));
    const [result] = await view.call([{ objectId: target.object, methodId: target.method, inputArguments }], { signal });
    const { statusCode, inputArgumentResults, outputArguments } = result!;
    if (statusCode.value >>> 30 !== 0) {
      const culprit = inputArgumentResults?.findIndex((status) => status.value >>> 30 !== 0) ?? -1;
      throw culprit >= 0 && statusCode.equals(StatusCodes.BadInvalidArgument) ? errorOfStatus(inputArgumentResults![culprit]!, `${what} with this argument ${JSON.stringify(inputs[culprit]?.name)}`) : errorOfStatus(statusCode, what);
    }
    return Object.fromEntries((outputArguments ?? []).map((value: Variant, at) => [outputs[at]?.name || String(at), toJson(value, { enumeration: outputs[at]?.dataType.enumeration, namespaces: view.namespaces })]));
  } catch (error) {
    throw errorOfFault(error, what);
  }
}

/** The inputs in the order of the signature. */
function inOrder(given: unknown, inputs: readonly MethodArgument[], what: string): readonly unknown[] {
  const wanted = inputs.length === 0 ? "it takes none" : `it takes ${inputs.map(({ name, dataType }) => `${name}: ${dataType.name}`).join(", ")}`;
  const wrong = (problem: string): CommandError => new CommandError("BAD_COMMAND", `Cannot ${what}: ${problem}; ${wanted}`);
  if (Array.isArray(given)) {
    if (given.length !== inputs.length) throw wrong(`${given.length} arguments`);
    return given;
  }
  if (typeof given !== "object" || given === null) throw wrong("arguments are an object or an array");
  const named = new Map(Object.entries(given));
  const missing = inputs.find(({ name }) => !named.has(name));
  if (missing !== undefined) throw wrong(`the argument "${missing.name}" is missing`);
  const unknown = [...named.keys()].find((name) => !inputs.some((input) => input.name === name));
  if (unknown !== undefined) throw wrong(`there is no argument "${unknown.slice(0, 100)}"`);
  return inputs.map(({ name }) => named.get(name));
}
