import { AttributeIds, BrowseDirection, type BrowseDescriptionOptions, DataType, type DataValue, type NodeId, type ReferenceDescription } from "node-opcua-client";
import type { BrowseAnswer, ServerView } from "./server-view.ts";

/** What a server says about one of its data types. */
export interface DataTypeInfo {
  readonly nodeId: NodeId;
  /** Its browse name, such as `Double` or `PressState`. */
  readonly name: string;
  /** How its values are encoded; `Variant` for `BaseDataType`, and `Null` for a type whose supertypes the server does not show. */
  readonly builtIn: DataType;
  /** Whether values are of one of its subtypes, as with `Number`. */
  readonly abstract: boolean;
  /** The names of an enumeration's values. */
  readonly enumeration: ReadonlyMap<number, string> | undefined;
}

/** What is read of a type before its supertypes are known. */
interface RawType {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly abstract: boolean;
  readonly definition: unknown;
  readonly supertype: NodeId | undefined;
}

const hasSubtype = "i=45";
const hasProperty = "i=46";
/** Abstract types of namespace 0 that are built-in types in the encoding (OPC 10000-6 §5.1.2, OPC 10000-3 §8). */
const builtInRoots: ReadonlyMap<number, DataType> = new Map([
  [24, DataType.Variant],
  [26, DataType.Variant], // Number
  [27, DataType.Variant], // Integer
  [28, DataType.Variant], // UInteger
]);
/** Types lie a few levels below their built-in one; a server that shows a circle does not hold us up. */
const maxDepth = 32;

/** The data types of a server, each read once: what they are encoded as, and the names of enumerations (OPC 10000-3 §5.8.3). */
export class DataTypes {
  readonly #view: ServerView;
  readonly #known = new Map<string, DataTypeInfo>();
  readonly #raw = new Map<string, RawType>();

  constructor(view: ServerView) {
    this.#view = view;
  }

  /** The types of these ids, by `nodeId.toString()`. @throws {Error} of the client library when the server does not answer. */
  async get(ids: readonly NodeId[], { signal }: { readonly signal: AbortSignal }): Promise<ReadonlyMap<string, DataTypeInfo>> {
    let wanted = this.#unread(ids);
    for (let depth = 0; wanted.length > 0 && depth < maxDepth; depth++) {
      const raw = await this.#readRaw(wanted, signal);
      for (const type of raw) this.#raw.set(type.nodeId.toString(), type);
      wanted = this.#unread(raw.flatMap(({ supertype }) => supertype ?? []));
    }
    const fresh = [...new Map(ids.map((id) => [id.toString(), id])).values()].filter((id) => !this.#known.has(id.toString()));
    const unnamed = fresh.filter((id) => this.#isEnumeration(id) && namesOf(this.#raw.get(id.toString())?.definition) === undefined);
    const names = await this.#readNames(unnamed, signal);
    for (const id of fresh) {
      const raw = this.#raw.get(id.toString())!;
      const enumeration = this.#isEnumeration(id) ? (namesOf(raw.definition) ?? names.get(id.toString())) : undefined;
      this.#known.set(id.toString(), { nodeId: id, name: raw.name, abstract: raw.abstract, builtIn: this.#builtInOf(id), enumeration });
    }
    return this.#known;
  }

  #unread(ids: readonly NodeId[]): NodeId[] {
    return [...new Map(ids.map((id) => [id.toString(), id])).values()].filter((id) => !this.#raw.has(id.toString()));
  }

  async #readRaw(ids: readonly NodeId[], signal: AbortSignal): Promise<RawType[]> {
    const attributes = [AttributeIds.BrowseName, AttributeIds.IsAbstract, AttributeIds.DataTypeDefinition];
    const values = await this.#view.read(ids.flatMap((nodeId) => attributes.map((attributeId) => ({ nodeId, attributeId }))), { signal });
    const parents = await this.#view.browse(ids.map((nodeId) => references(nodeId, hasSubtype, BrowseDirection.Inverse)), { signal });
    return ids.map((nodeId, at) => {
      const [name, abstract, definition] = values.slice(at * 3, at * 3 + 3).map(goodValue);
      return { nodeId, name: (name as { readonly name?: string } | undefined)?.name ?? nodeId.toString(), abstract: abstract === true, definition, supertype: parents[at]!.references[0]?.nodeId };
    });
  }

  /** From the type upwards. */
  *#ancestry(id: NodeId): Generator<NodeId> {
    let at: NodeId | undefined = id;
    for (let depth = 0; at !== undefined && depth < maxDepth; depth++) {
      yield at;
      at = this.#raw.get(at.toString())?.supertype;
    }
  }

  #builtInOf(id: NodeId): DataType {
    for (const { namespace, value } of this.#ancestry(id)) {
      if (namespace !== 0 || typeof value !== "number") continue;
      if (value === 29) return DataType.Int32; // Enumeration (OPC 10000-6 §5.2.4)
      const root = builtInRoots.get(value) ?? (value >= 1 && value <= 25 ? (value as DataType) : undefined);
      if (root !== undefined) return root;
    }
    return DataType.Null;
  }

  #isEnumeration(id: NodeId): boolean {
    return [...this.#ancestry(id)].some(({ namespace, value }) => namespace === 0 && value === 29);
  }

  /** From the properties EnumStrings and EnumValues, which servers before 1.04 have in place of a definition (OPC 10000-3 §5.8.3). */
  async #readNames(ids: readonly NodeId[], signal: AbortSignal): Promise<ReadonlyMap<string, ReadonlyMap<number, string>>> {
    if (ids.length === 0) return new Map();
    const answers = await readProperties(this.#view, ids, { names: ["EnumStrings", "EnumValues"], signal });
    return new Map(ids.flatMap((id, at) => {
      const names = enumerationOf(answers[at]!);
      return names === undefined ? [] : [[id.toString(), names]];
    }));
  }
}

/** Reads the named properties of nodes: by name, those that a node has and whose value is good. @throws {Error} of the client library when the server does not answer. */
export async function readProperties(view: ServerView, ids: readonly NodeId[], { names, signal }: { readonly names: readonly string[]; readonly signal: AbortSignal }): Promise<ReadonlyMap<string, unknown>[]> {
  const answers: BrowseAnswer[] = await view.browse(ids.map((nodeId) => references(nodeId, hasProperty, BrowseDirection.Forward)), { signal });
  const found = answers.flatMap(({ references: all }, index) => all.flatMap(({ nodeId, browseName }: ReferenceDescription) => (browseName.namespaceIndex === 0 && names.includes(browseName.name ?? "") ? [{ index, nodeId, name: browseName.name! }] : [])));
  const values = await view.read(found, { signal });
  const properties = ids.map(() => new Map<string, unknown>());
  for (const [at, { index, name }] of found.entries()) {
    const value = goodValue(values[at]!);
    if (value !== undefined && value !== null) properties[index]!.set(name, value);
  }
  return properties;
}

/** The names that the properties EnumStrings (OPC 10000-3 §8.14) or EnumValues (§8.39) hold. */
export function enumerationOf(properties: ReadonlyMap<string, unknown>): ReadonlyMap<number, string> | undefined {
  const strings = properties.get("EnumStrings");
  if (Array.isArray(strings)) return new Map(strings.map((text: { readonly text?: string | null }, value) => [value, text.text ?? String(value)]));
  const values = properties.get("EnumValues");
  return Array.isArray(values) ? namesOf({ fields: values.map(({ value, displayName }: { readonly value: unknown; readonly displayName?: { readonly text?: string } }) => ({ value, name: displayName?.text })) }) : undefined;
}

/** The names of an EnumDefinition (OPC 10000-3 §8.50), whose values are 64 bits wide. */
function namesOf(definition: unknown): ReadonlyMap<number, string> | undefined {
  const fields = (definition as { readonly fields?: readonly { readonly value?: unknown; readonly name?: string | null }[] } | undefined)?.fields;
  if (!Array.isArray(fields) || fields.length === 0 || !Array.isArray(fields[0]?.value)) return undefined;
  return new Map(fields.map(({ value, name }: { readonly value: readonly [number, number]; readonly name?: string | null }) => [value[1] | 0, name ?? String(value[1] | 0)]));
}

const references = (nodeId: NodeId, referenceTypeId: string, browseDirection: BrowseDirection): BrowseDescriptionOptions => ({ nodeId, referenceTypeId, browseDirection, includeSubtypes: true, nodeClassMask: 0, resultMask: 63 });

const goodValue = (data: DataValue): unknown => (data.statusCode.value === 0 ? data.value.value : undefined);
