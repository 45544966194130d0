import {
  type AddressSpace, type CallMethodResultOptions, DataType, type ISessionContext, type Namespace, standardUnits, StatusCodes, type UAExclusiveLimitAlarmEx, type UAObject, type UAVariable, Variant, VariantArrayType,
} from "node-opcua";
import { pressNamespace } from "./press-nodeset.ts";

/** The fixture's machine: what a test moves. Node ids are `ns=<plant>;s=press-1.<name>`. */
export interface Press {
  readonly object: UAObject;
  /** Every variable by its browse name. */
  readonly variables: Readonly<Record<string, UAVariable>>;
  /** On `temperature`: low 10, high 80, highHigh 90. */
  readonly alarm: UAExclusiveLimitAlarmEx;
  /** Gives `temperature` (°C, EURange 0-120, with history) a value, with the alarm behind it. */
  setTemperature(value: number, at?: Date): void;
  /** Raises an ordinary event of the press. */
  raiseEvent(message: string, severity: number): void;
}

const scalars: readonly (readonly [name: string, dataType: keyof typeof DataType, value: unknown])[] = [
  ["boolean", "Boolean", true],
  ["sbyte", "SByte", -12],
  ["byte", "Byte", 200],
  ["int16", "Int16", -1234],
  ["uint16", "UInt16", 54321],
  ["int32", "Int32", -123456],
  ["uint32", "UInt32", 4000000000],
  ["int64", "Int64", [0xffffffff, 0xfffffffe]],
  ["uint64", "UInt64", [0xffffffff, 0xffffffff]],
  ["float", "Float", 1.5],
  ["double", "Double", 3.25],
  ["string", "String", "grün"],
  ["datetime", "DateTime", new Date("2026-01-02T03:04:05.678Z")],
  ["guid", "Guid", "72962B91-FA75-4AE6-8D28-B404DC7DAF63"],
  ["bytestring", "ByteString", Buffer.from("busbar")],
  ["xml", "XmlElement", "<a>1</a>"],
  ["localized", "LocalizedText", { locale: "de", text: "Ölpresse" }],
];

/** Builds `/Objects/Plant/press-1` with variables of every type, two methods, an alarm and a history. */
export function addPress(space: AddressSpace, namespace: Namespace): Press {
  const plant = namespace.addFolder("ObjectsFolder", { browseName: "Plant", nodeId: "s=Plant" });
  const object = namespace.addObject({ organizedBy: plant, browseName: "press-1", nodeId: "s=press-1", eventSourceOf: space.rootFolder.objects.server, eventNotifier: 1 });
  const variables: Record<string, UAVariable> = {};
  const add = (name: string, options: object): UAVariable => (variables[name] = namespace.addVariable({ componentOf: object, browseName: name, nodeId: `s=press-1.${name}`, accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite", ...options } as never));
  for (const [name, dataType, value] of scalars) add(name, { dataType, value: new Variant({ dataType: DataType[dataType], arrayType: VariantArrayType.Scalar, value }) });
  add("nodeid", { dataType: "NodeId", value: { dataType: DataType.NodeId, value: object.nodeId } });
  add("qualified", { dataType: "QualifiedName", value: { dataType: DataType.QualifiedName, value: { namespaceIndex: namespace.index, name: "press-1" } } });
  add("status", { dataType: "StatusCode", value: { dataType: DataType.StatusCode, value: StatusCodes.BadNoCommunication } });
  add("number", { dataType: "Number", value: { dataType: DataType.Int16, value: 3 } });
  add("read-only", { dataType: "Double", accessLevel: "CurrentRead", userAccessLevel: "CurrentRead", value: { dataType: DataType.Double, value: 1 } });
  add("doubles", { dataType: "Double", valueRank: 1, arrayDimensions: [0], value: { dataType: DataType.Double, arrayType: VariantArrayType.Array, value: new Float64Array([1, 2.5, 3]) } });
  add("strings", { dataType: "String", valueRank: 1, arrayDimensions: [0], value: { dataType: DataType.String, arrayType: VariantArrayType.Array, value: ["a", "b"] } });
  add("uint64s", { dataType: "UInt64", valueRank: 1, arrayDimensions: [0], value: { dataType: DataType.UInt64, arrayType: VariantArrayType.Array, value: [[0, 7], [0x200000, 1]] } });
  add("matrix", { dataType: "Int32", valueRank: 2, arrayDimensions: [2, 3], value: { dataType: DataType.Int32, arrayType: VariantArrayType.Matrix, dimensions: [2, 3], value: new Int32Array([1, 2, 3, 4, 5, 6]) } });
  addTyped(space, add);
  variables["gear"] = namespace.addMultiStateDiscrete({ componentOf: object, browseName: "gear", nodeId: "s=press-1.gear", enumStrings: ["Off", "Slow", "Fast"], value: 1, accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite" } as never) as never;
  const temperature = (variables["temperature"] = namespace.addAnalogDataItem({
    componentOf: object, browseName: "temperature", nodeId: "s=press-1.temperature", dataType: "Double", accessLevel: "CurrentRead | CurrentWrite | HistoryRead", userAccessLevel: "CurrentRead | CurrentWrite | HistoryRead",
    engineeringUnitsRange: { low: 0, high: 120 }, engineeringUnits: standardUnits.degree_celsius, value: new Variant({ dataType: DataType.Double, value: 20 }),
  }));
  space.installHistoricalDataNode(temperature);
  space.installAlarmsAndConditionsService();
  const alarm = namespace.instantiateExclusiveLimitAlarm("ExclusiveLimitAlarmType", {
    browseName: "temperature-alarm", nodeId: "s=press-1.temperature-alarm", componentOf: object, conditionSource: object, conditionName: "temperature", inputNode: temperature, lowLimit: 10, highLimit: 80, highHighLimit: 90,
    optionals: ["ConfirmedState", "Confirm", "ShelvingState"],
  });
  alarm.shelvingState!.setState("Unshelved");
  addMethods(namespace, object);
  return {
    object,
    variables,
    alarm,
    setTemperature: (value, at = new Date()) => temperature.setValueFromSource({ dataType: DataType.Double, value }, StatusCodes.Good, at),
    raiseEvent(message, severity) {
      object.raiseEvent("BaseEventType", { message: { dataType: DataType.LocalizedText, value: { text: message } }, severity: { dataType: DataType.UInt16, value: severity }, sourceName: { dataType: DataType.String, value: "press-1" } } as never);
    },
  };
}

/** An enumeration, a structure with nested ones, and a union. */
function addTyped(space: AddressSpace, add: (name: string, options: object) => UAVariable): void {
  const index = space.getNamespaceIndex(pressNamespace);
  const type = (name: string) => space.findDataType(name, index)!;
  add("state", { dataType: type("PressState").nodeId, value: { dataType: DataType.Int32, value: 7 } });
  add("old-mode", { dataType: type("OldMode").nodeId, value: { dataType: DataType.Int32, value: 1 } });
  const recipe = space.constructExtensionObject(type("Recipe"), { name: "oil", steps: [1, 2, 3], origin: { x: 1, y: 2 }, path: [{ x: 0, y: 0 }, { x: 1.5, y: 2.5 }], state: 1, produced: [0, 12], made: new Date("2026-01-02T03:04:05.678Z") });
  add("recipe", { dataType: type("Recipe").nodeId, value: { dataType: DataType.ExtensionObject, value: recipe } });
  add("limit", { dataType: type("Limit").nodeId, value: { dataType: DataType.ExtensionObject, value: space.constructExtensionObject(type("Limit"), { force: 12.5 }) } });
  const point = (x: number, y: number) => space.constructExtensionObject(type("Point"), { x, y });
  add("points", { dataType: type("Point").nodeId, valueRank: 1, arrayDimensions: [0], value: { dataType: DataType.ExtensionObject, arrayType: VariantArrayType.Array, value: [point(1, 2), point(3, 4)] } });
}

/** `scale(value: Double, factor: Int32) -> result: Double` and `stop()`, which always fails. */
function addMethods(namespace: Namespace, object: UAObject): void {
  const scale = namespace.addMethod(object, {
    browseName: "scale", nodeId: "s=press-1.scale",
    inputArguments: [{ name: "value", dataType: DataType.Double, description: { text: "what to scale" } }, { name: "factor", dataType: DataType.Int32, description: { text: "by what" } }],
    outputArguments: [{ name: "result", dataType: DataType.Double, description: { text: "the product" } }],
  });
  scale.bindMethod(async (inputs: Variant[], _context: ISessionContext): Promise<CallMethodResultOptions> => ({ statusCode: StatusCodes.Good, outputArguments: [{ dataType: DataType.Double, value: inputs[0]!.value * inputs[1]!.value }] }));
  const stop = namespace.addMethod(object, { browseName: "stop", nodeId: "s=press-1.stop", inputArguments: [], outputArguments: [] });
  stop.bindMethod(async (_inputs: Variant[], _context: ISessionContext): Promise<CallMethodResultOptions> => ({ statusCode: StatusCodes.BadInvalidState, outputArguments: [] }));
}
