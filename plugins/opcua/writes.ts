import { AttributeIds, DataType, type DataValue, type NodeId, type Variant } from "node-opcua-client";
import { CommandError, errorOfFault, errorOfStatus } from "./command-error.ts";
import type { ServerView } from "./server-view.ts";
import { codeOf } from "./status-code.ts";
import { fromJson } from "./value-input.ts";
import { toJson } from "./values.ts";
import { readVariables, type VariableInfo } from "./variable.ts";

/** How set points are written. */
export interface WriteOptions {
  /** The node of a tag; undefined where there is no such tag, or the server does not have its node. */
  readonly nodeOf: (tag: string) => NodeId | undefined;
  readonly signal: AbortSignal;
}

/** Values in one command at most. */
const maxTags = 1_000;

/**
 * Writes set points: `{"temperature-set":120,"mode":"Auto"}`. Each value is held against what the server says of the node - type, array, EURange, access - and nothing is written unless all can be; then all are
 * written in one request (OPC 10000-4 §5.10.4) and read back. A node without EURange takes every value of its type.
 * @returns what the nodes hold now, by tag; null for one that cannot be read.
 * @throws {CommandError} NO_SUCH_TAG, READ_ONLY, WRONG_TYPE, OUT_OF_RANGE, BAD_COMMAND: nothing was written. With `status` it is the server who refused: the message then names what was written all the same.
 */
export async function writeTags(view: ServerView, set: Readonly<Record<string, unknown>>, { nodeOf, signal }: WriteOptions): Promise<Readonly<Record<string, unknown>>> {
  const tags = Object.keys(set);
  if (tags.length === 0 || tags.length > maxTags) throw new CommandError("BAD_COMMAND", `Cannot write: "set" has ${tags.length} tags, 1 to ${maxTags} can be written at once`);
  const ids = tags.map((tag) => nodeOf(tag) ?? noSuchTag(tag));
  try {
    const infos = await readVariables(view, ids, { signal });
    const targets = tags.map((tag, at) => targetOf(tag, infos[at]!));
    const present = await readPresent(view, targets, signal);
    const variants = await Promise.all(targets.map(({ info }, at) => fromJson(set[tags[at]!], info, { session: view.session, namespaces: view.namespaces, what: quoted(tags[at]!), present: present[at] })));
    // Without timestamps and status: many servers refuse to have these written (OPC 10000-4 §5.10.4.2, BadWriteNotSupported).
    const results = await view.write(ids.map((nodeId, at) => ({ nodeId, attributeId: AttributeIds.Value, value: { value: variants[at]! } })), { signal });
    const refused = results.findIndex(({ value }) => value >>> 30 !== 0);
    if (refused >= 0) {
      const written = tags.filter((_, at) => results[at]!.value >>> 30 === 0);
      const error = errorOfStatus(results[refused]!, `write ${quoted(tags[refused]!)}`);
      throw written.length === 0 ? error : new CommandError(error.code, `${error.message}; written: ${written.map(quoted).join(", ")}`, error.status === undefined ? {} : { status: error.status });
    }
    return await readBack(view, targets, signal);
  } catch (error) {
    throw errorOfFault(error, `write ${tags.slice(0, 5).map(quoted).join(", ")}`);
  }
}

interface Target {
  readonly tag: string;
  readonly info: VariableInfo;
}

function targetOf(tag: string, info: VariableInfo | { readonly name: string }): Target {
  if (!("dataType" in info)) throw new CommandError("NO_SUCH_TAG", `Cannot write ${quoted(tag)}: the server says ${info.name}`, { status: info.name });
  if (!info.writable) throw new CommandError("READ_ONLY", `Cannot write ${quoted(tag)}: the server lets this user only read it`);
  return { tag, info };
}

/** The values that are there, where the type alone does not say what to write. */
async function readPresent(view: ServerView, targets: readonly Target[], signal: AbortSignal): Promise<readonly (Variant | undefined)[]> {
  const open = targets.map(({ info }) => info.readable && (info.dataType.builtIn === DataType.Variant || info.dataType.builtIn === DataType.Null));
  const values = await view.read(targets.flatMap(({ info: { nodeId } }, at) => (open[at] ? [{ nodeId }] : [])), { signal });
  let next = 0;
  return open.map((needed) => (needed ? values[next++]!.value : undefined));
}

async function readBack(view: ServerView, targets: readonly Target[], signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
  const readable = targets.filter(({ info }) => info.readable);
  const values = await view.read(readable.map(({ info: { nodeId } }) => ({ nodeId })), { signal });
  const json = new Map(readable.map(({ tag, info }, at) => [tag, valueOf(values[at]!, info, view.namespaces)]));
  return Object.fromEntries(targets.map(({ tag }) => [tag, json.get(tag) ?? null]));
}

function valueOf(data: DataValue, { enumeration }: VariableInfo, namespaces: readonly string[]): unknown {
  return codeOf(data.statusCode)?.startsWith("Bad") ? null : toJson(data.value, { enumeration, namespaces });
}

function noSuchTag(tag: string): never {
  throw new CommandError("NO_SUCH_TAG", `Cannot write ${quoted(tag)}: there is no such tag, or the server does not have its node`);
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 100));
