import { ConditionInfo, DataType, type Namespace, StatusCodes, type UAAlarmConditionEx, type UAObject, type UAVariable } from "node-opcua";
import { type AlarmLevel, alarmLevel, severityOf } from "./alarm.ts";
import type { ServedTag } from "./opcua-messages.ts";

/** The names of the states of an exclusive limit alarm (OPC 10000-9 §5.8.19). */
const stateNames: Readonly<Record<AlarmLevel, string>> = { highHigh: "HighHigh", high: "High", low: "Low", lowLow: "LowLow", state: "Active" };

/** Where an alarm is. */
export interface AlarmPlace {
  readonly machine: UAObject;
  readonly tag: ServedTag;
  readonly variable: UAVariable;
  readonly nodeId: string;
}

/**
 * Adds the alarm of a tag: an ExclusiveLimitAlarm for a number, an OffNormalAlarm for a bool, with the limits, the hysteresis and the severities of the
 * plant's own alarms. Clients acknowledge and comment it. Returns what tells it of a new number that can be trusted.
 */
export function addOpcuaAlarm(namespace: Namespace, place: AlarmPlace): (value: number) => void {
  const { tag } = place;
  const spec = tag.alarm!;
  const condition = instantiate(namespace, place);
  condition.sourceName.setValueFromSource({ dataType: DataType.String, value: tag.name }); // the library says "1:" before it
  condition.onInputDataValueChange = () => {}; // the library knows no hysteresis: `update` decides
  condition.calculateConditionInfo = (state, isActive, value) => {
    const unit = tag.unit === "" ? "" : ` ${tag.unit}`;
    const message = isActive ? `${tag.name} is ${value}${unit}: ${state} alarm` : `${tag.name} is ${value}${unit}: no alarm`;
    return new ConditionInfo({ message, quality: StatusCodes.Good, retain: isActive, severity: isActive && level ? severityOf(level) : 1 });
  };
  let level: AlarmLevel | undefined;
  return (value) => {
    const next = alarmLevel(spec, value, level);
    if (next === level || !condition.getEnabledState()) return;
    level = next;
    const shown = tag.kind === "bool" ? String(value !== 0) : String(value);
    if (next) condition.signalNewCondition(stateNames[next], true, shown);
    else condition.signalNewCondition(tag.kind === "bool" ? "Inactive" : null, false, shown);
  };
}

function instantiate(namespace: Namespace, { machine, tag, variable, nodeId }: AlarmPlace): UAAlarmConditionEx {
  const common = { browseName: `${tag.name}-alarm`, nodeId, componentOf: machine, conditionSource: variable, conditionName: tag.name, inputNode: variable };
  if (tag.kind === "bool") return namespace.instantiateOffNormalAlarm({ ...common, normalState: null });
  const { highHigh, high, low, lowLow } = tag.alarm!;
  const limits = { ...(highHigh === undefined ? {} : { highHighLimit: highHigh }), ...(high === undefined ? {} : { highLimit: high }), ...(low === undefined ? {} : { lowLimit: low }), ...(lowLow === undefined ? {} : { lowLowLimit: lowLow }) };
  return namespace.instantiateExclusiveLimitAlarm("ExclusiveLimitAlarmType", { ...common, ...limits } as Parameters<Namespace["instantiateExclusiveLimitAlarm"]>[1]); // its type asks for limits that the standard leaves open
}
