import { DataType, type Namespace, type StatusCode, StatusCodes, type UAObject, type UAVariable, Variant, VariantArrayType } from "node-opcua";
import { valueOf } from "./compiled-plant.ts";
import type { Composite } from "./machine-parts.ts";
import type { ServedMachine, ServedTag } from "./opcua-messages.ts";
import { typeName, typesNamespace } from "./opcua-types.ts";
import { opcuaTypes } from "./opcua-variant.ts";

/** What the members of a composite are shown from; arrays as long as the list of tags. */
export interface CompositeSource {
  readonly values: Float64Array;
  readonly statusOf: (index: number) => StatusCode;
  readonly at: Date;
}

/** An array or structure in the address space. */
export interface OpcuaComposite {
  /** The places of its members. */
  readonly members: readonly number[];
  show(source: CompositeSource): void;
}

/** Adds an array (`Double[]`, …) or a structure (a data type of its own), node `s=<machine>.<name>`. Its status is the worst of its members'. */
export function addOpcuaComposite(namespace: Namespace, composite: Composite, at: { readonly object: UAObject; readonly machine: ServedMachine }): OpcuaComposite {
  const { machine, object } = at;
  const tags = composite.tags.map((name) => machine.tags.find((tag) => tag.name === name)!);
  const base = { componentOf: object, browseName: composite.name, nodeId: `s=${machine.id}.${composite.name}`, minimumSamplingInterval: 0, accessLevel: "CurrentRead" };
  const [variable, variantOf] = composite.kind === "array" ? addArray(namespace, base, tags) : addStructure(namespace, base, { tags, fields: composite.fields, type: typeName(machine.id, composite.name) });
  return {
    members: tags.map(({ index }) => index),
    show({ values, statusOf, at: time }) {
      const statusCode = tags.map(({ index }) => statusOf(index)).reduce((worst, one) => (one.value > worst.value ? one : worst), StatusCodes.Good as StatusCode);
      variable.setValueFromSource(variantOf(values), statusCode, time);
    },
  };
}

type Base = Readonly<Record<string, unknown>>;
type Added = readonly [variable: UAVariable, variantOf: (values: Float64Array) => Variant];

function addArray(namespace: Namespace, base: Base, tags: readonly ServedTag[]): Added {
  const dataType = opcuaTypes[tags[0]!.kind];
  const variantOf = (values: Float64Array): Variant => new Variant({ dataType, arrayType: VariantArrayType.Array, value: tags.map((tag) => valueOf(tag, values[tag.index]!)) });
  return [namespace.addVariable({ ...base, dataType, valueRank: 1, arrayDimensions: [tags.length] } as never), variantOf];
}

function addStructure(namespace: Namespace, base: Base, of: { readonly tags: readonly ServedTag[]; readonly fields: readonly string[]; readonly type: string }): Added {
  const space = namespace.addressSpace;
  const type = space.findDataType(of.type, space.getNamespaceIndex(typesNamespace));
  if (!type) throw new TypeError(`Cannot add a structure: there is no data type "${of.type}"`);
  // The library's objects have their fields with a small letter first.
  const keys = of.fields.map((field) => field.charAt(0).toLowerCase() + field.slice(1));
  const variantOf = (values: Float64Array): Variant => {
    const fields = Object.fromEntries(of.tags.map((tag, k) => [keys[k]!, valueOf(tag, values[tag.index]!)]));
    return new Variant({ dataType: DataType.ExtensionObject, value: space.constructExtensionObject(type, fields) });
  };
  return [namespace.addVariable({ ...base, dataType: type.nodeId } as never), variantOf];
}
