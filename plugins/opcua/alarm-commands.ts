import { type CallMethodRequestLike, DataType, MethodIds, type NodeId, type VariantOptions } from "node-opcua-client";
import type { Alarms, KnownCondition } from "./alarms.ts";
import { CommandError, errorOfFault, errorOfStatus } from "./command-error.ts";
import type { ServerView } from "./server-view.ts";

/** What an operator may do with a condition. */
export type AlarmVerb = "acknowledge" | "confirm" | "addComment" | "shelve" | "unshelve";

/** A command to alarms, checked. */
export interface AlarmCommand {
  readonly verb: AlarmVerb;
  /** As events name them, `press-1/temperature`, or their condition ids. */
  readonly alarms: readonly string[];
  readonly comment: string;
  /** The event that is meant, base64; by default the one that was heard last of the alarm. */
  readonly eventId: string | undefined;
  /** Milliseconds, of `shelve`; undefined: until it is over once. */
  readonly for: number | undefined;
}

/** Where the methods of a condition are defined; every server takes these ids for any condition (OPC 10000-9 §5.5.4, §5.7.3, §5.8.17). */
const methodIds: Readonly<Record<Exclude<AlarmVerb, "shelve"> | "timedShelve" | "oneShotShelve", number>> = {
  acknowledge: MethodIds.AcknowledgeableConditionType_Acknowledge,
  confirm: MethodIds.AcknowledgeableConditionType_Confirm,
  addComment: MethodIds.ConditionType_AddComment,
  unshelve: MethodIds.ShelvedStateMachineType_Unshelve,
  timedShelve: MethodIds.ShelvedStateMachineType_TimedShelve,
  oneShotShelve: MethodIds.ShelvedStateMachineType_OneShotShelve,
};
/** The condition is as the command wants it already. */
const alreadySo = /^BadConditionBranchAlready(?:Acked|Confirmed)$|^BadConditionAlreadyShelved$|^BadConditionNotShelved$/;
const hierarchical = "i=33";

/**
 * Carries a command out on every alarm that it names, in one request; one that is as the command wants it already stays so.
 * @returns the alarms, as events name them.
 * @throws {CommandError} NO_SUCH_ALARM where no event has told of one, BAD_COMMAND where a name is that of several: nothing was done. Else what the server says of the first that it refuses.
 */
export async function commandAlarms(view: ServerView, command: AlarmCommand, { alarms, signal }: { readonly alarms: Alarms; readonly signal: AbortSignal }): Promise<{ readonly alarms: readonly string[] }> {
  const { verb } = command;
  const what = (alarm: string): string => `${verb} ${JSON.stringify(alarm.slice(0, 200))}`;
  const targets = findConditions(command, alarms.conditions, what);
  try {
    const objects = verb === "shelve" || verb === "unshelve" ? await findShelving(view, targets, signal) : targets.map(({ state }) => state.nodeId);
    const results = await view.call(targets.map((target, at) => callOf(command, { target, objectId: objects[at]! })), { signal });
    const refused = results.findIndex(({ statusCode }) => statusCode.value >>> 30 !== 0 && !alreadySo.test(statusCode.name));
    if (refused >= 0) throw errorOfStatus(results[refused]!.statusCode, what(targets[refused]!.alarm));
  } catch (error) {
    throw errorOfFault(error, what(command.alarms[0]!));
  }
  return { alarms: [...new Set(targets.map(({ alarm }) => alarm))] };
}

/** Acknowledging and confirming are for a condition with all its branches, unless an event is named. */
function findConditions({ verb, alarms: names, eventId }: AlarmCommand, conditions: readonly KnownCondition[], what: (alarm: string) => string): readonly KnownCondition[] {
  if (eventId !== undefined && names.length !== 1) throw new CommandError("BAD_COMMAND", `Cannot ${what(names[0]!)}: an eventId is of one alarm, ${names.length} are named`);
  return names.flatMap((name) => {
    const [found, other] = conditions.filter(({ alarm, state }) => state.branch === undefined && (alarm === name || state.id === name));
    if (found === undefined) throw new CommandError("NO_SUCH_ALARM", `Cannot ${what(name)}: no event has told of such an alarm`);
    if (other !== undefined) throw new CommandError("BAD_COMMAND", `Cannot ${what(name)}: it is the name of several, such as ${found.state.id} and ${other.state.id}; name one by its id`);
    const whole = eventId === undefined && (verb === "acknowledge" || verb === "confirm");
    return whole ? [found, ...conditions.filter(({ state }) => state.branch !== undefined && state.id === found.state.id)] : [found];
  });
}

/** The state machine that shelves an alarm; the condition itself stands for it where the server does not show it (OPC 10000-9 §5.8.17.2). */
async function findShelving(view: ServerView, targets: readonly KnownCondition[], signal: AbortSignal): Promise<readonly NodeId[]> {
  const element = { referenceTypeId: hierarchical, includeSubtypes: true, isInverse: false, targetName: { namespaceIndex: 0, name: "ShelvingState" } };
  const answers = await view.translate(targets.map(({ state }) => ({ startingNode: state.nodeId, relativePath: { elements: [element] } })), { signal });
  return targets.map(({ state }, at) => (answers[at]!.targets?.[0]?.targetId as NodeId | undefined) ?? state.nodeId);
}

function callOf({ verb, comment, eventId, for: duration }: AlarmCommand, { target, objectId }: { readonly target: KnownCondition; readonly objectId: NodeId }): CallMethodRequestLike {
  const call = (name: keyof typeof methodIds, inputArguments: VariantOptions[]): CallMethodRequestLike => ({ objectId, methodId: `ns=0;i=${methodIds[name]}`, inputArguments });
  if (verb === "unshelve") return call("unshelve", []);
  if (verb === "shelve") return duration === undefined ? call("oneShotShelve", []) : call("timedShelve", [{ dataType: DataType.Double, value: duration }]);
  const id = eventId === undefined ? target.event.eventId : Buffer.from(eventId, "base64");
  return call(verb, [{ dataType: DataType.ByteString, value: id }, { dataType: DataType.LocalizedText, value: { text: comment } }]);
}
