import { type NodeId, resolveNodeId, type StatusCode, DataType, MethodIds, ObjectTypeIds, type Variant } from "node-opcua-client";
import { decodeEvent, refreshTypes, type ConditionState, type EventField, type OpcuaEvent } from "./event-fields.ts";
import type { ServerView } from "./server-view.ts";

/** How a condition has changed. `changed`: it is as active as before, with another level, severity or message. `branched`: an earlier time that it was active still waits to be acknowledged, by itself. */
export type AlarmChange = "raised" | "branched" | "cleared" | "acknowledged" | "confirmed" | "shelved" | "unshelved" | "suppressed" | "unsuppressed" | "enabled" | "disabled" | "commented" | "changed";

/** What is published as `event/<device>`. */
export interface AlarmMessage {
  /** `{"event":"alarm","alarm":"press-1/temperature","state":"raised",…}`, or `{"event":"notice",…}` of an event that is no condition's. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** When it happened at the source, ms since the Unix epoch; undefined where the server states none. */
  readonly timestamp: number | undefined;
}

/** A condition as it was heard last. */
export interface KnownCondition {
  /** `<source>/<condition>`, as events name it. Not sure to be unique: `state.id` is. */
  readonly alarm: string;
  readonly state: ConditionState;
  readonly event: OpcuaEvent;
  /** Whether it was published since it is of interest. */
  readonly told: boolean;
  /** Handles of the items that tell of it. */
  readonly heardBy: ReadonlySet<number>;
}

/** What alarms are made of. */
export interface AlarmsOptions {
  /** Events below this severity are not published, 1 to 1000; how an alarm that was published goes on always is. */
  readonly severity: number;
  /** Whether events that are no condition's are published. */
  readonly notices: boolean;
  readonly publish: (message: AlarmMessage) => void;
  /** The server asks for a ConditionRefresh: it has lost count of what it told. */
  readonly onRefreshRequired: () => void;
}

/** Conditions that are remembered; beyond that those that are of no interest any more are forgotten, oldest first. */
const maxKnown = 100_000;
/** Ids of events that are no condition's, to tell one once that several items report. */
const maxSeen = 1_000;

/**
 * The alarms and conditions of one server over all connections to it. Each change is published once, whoever reports it and however often; what a ConditionRefresh tells again is nothing new.
 * A condition that was there before a connection broke and that the ConditionRefresh after it does not tell of is over, and said to be so when that refresh ends.
 */
export class Alarms {
  readonly #options: AlarmsOptions;
  readonly #known = new Map<string, KnownCondition>();
  readonly #seen = new Set<string>();
  /** By handle of the item: what it selects, where that is not all. */
  readonly #fields = new Map<number, readonly EventField[]>();
  /** By handle of the item: what a refresh under way has told of. */
  readonly #refreshing = new Map<number, Set<string>>();

  constructor(options: AlarmsOptions) {
    this.#options = options;
  }

  /** The conditions that are known and their branches. */
  get conditions(): readonly KnownCondition[] {
    return [...this.#known.values()];
  }

  /** How many conditions are active. */
  get active(): number {
    let count = 0;
    for (const { state } of this.#known.values()) if (state.active === true) count++;
    return count;
  }

  /** An item selects these fields only, from now on. */
  selects(handle: number, fields: readonly EventField[]): void {
    this.#fields.set(handle, fields);
  }

  /** Takes an event: the handle of the item that reports it, and the values of the fields that it selects. */
  take(handle: number, values: readonly Variant[], namespaces: readonly string[]): void {
    const event = decodeEvent(values, { namespaces, fields: this.#fields.get(handle) });
    if (event === undefined) return;
    if (event.type === refreshTypes.start) this.#refreshing.set(handle, new Set());
    else if (event.type === refreshTypes.end) this.#endRefresh(handle);
    else if (event.type === refreshTypes.required) this.#options.onRefreshRequired();
    else if (event.condition !== undefined) this.#takeCondition(handle, event, event.condition);
    else this.#takeNotice(event);
  }

  /**
   * Asks the server to tell of all conditions that are of interest (OPC 10000-9 §5.5.7); to be called after the items have been made, after each connection. Resolves with the StatusCode, for each
   * subscription, where the server refuses. @throws {Error} of the client library when the server does not answer.
   */
  async refresh(view: ServerView, subscriptions: readonly number[], { signal }: { readonly signal: AbortSignal }): Promise<StatusCode[]> {
    this.#refreshing.clear(); // one that a broken connection has cut off
    const results = await view.call(subscriptions.map((id) => ({ objectId: conditionType, methodId: conditionRefresh, inputArguments: [{ dataType: DataType.UInt32, value: id }] })), { signal });
    return results.flatMap(({ statusCode }) => (statusCode.value >>> 30 !== 0 && statusCode.name !== "BadRefreshInProgress" ? [statusCode] : []));
  }

  #takeCondition(handle: number, event: OpcuaEvent, state: ConditionState): void {
    const key = keyOf(state);
    this.#refreshing.get(handle)?.add(key);
    const before = this.#known.get(key);
    this.#known.delete(key); // to the end: the oldest go first
    const change = changeOf(before, event, state);
    const tell = event.severity >= this.#options.severity || before?.told === true;
    if (state.branch === undefined || state.retain) this.#known.set(key, { alarm: `${event.sourceName}/${state.name}`, state, event, told: tell && state.retain, heardBy: new Set(before?.heardBy).add(handle) });
    this.#forget();
    if (change !== undefined && tell) this.#publish(event, change);
  }

  /** What was of interest and was not told of is over (OPC 10000-9 §5.5.7). */
  #endRefresh(handle: number): void {
    const told = this.#refreshing.get(handle);
    this.#refreshing.delete(handle);
    if (told === undefined) return;
    for (const [key, condition] of [...this.#known]) {
      const { state, event, heardBy } = condition;
      if (!state.retain || told.has(key) || !heardBy.has(handle)) continue;
      const over: ConditionState = { ...state, retain: false, ...(state.active === undefined ? {} : { active: false }), ...(state.acknowledged === undefined ? {} : { acknowledged: true }), ...(state.confirmed === undefined ? {} : { confirmed: true }) };
      if (state.branch === undefined) this.#known.set(key, { ...condition, state: over, told: false });
      else this.#known.delete(key);
      if (condition.told) this.#publish({ ...event, time: undefined, condition: over }, state.active === true && state.branch === undefined ? "cleared" : "acknowledged");
    }
  }

  #takeNotice(event: OpcuaEvent): void {
    const id = event.eventId.toString("base64");
    if (!this.#options.notices || event.severity < this.#options.severity || this.#seen.has(id)) return;
    this.#seen.add(id);
    if (this.#seen.size > maxSeen) this.#seen.delete(this.#seen.values().next().value!);
    const { type, sourceName, severity, message, time } = event;
    this.#options.publish({ payload: { event: "notice", type, source: sourceName, severity, message, eventId: id }, timestamp: time });
  }

  #publish(event: OpcuaEvent, change: AlarmChange): void {
    const { condition: state, severity, message, sourceName, type, eventId, time } = event;
    if (state === undefined) return;
    const { active, acknowledged, confirmed, shelved, suppressed, retain, level, comment, by, branch } = state;
    const known = { active, acknowledged, confirmed, shelved, suppressed, level, branch, comment, by };
    const stated = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
    this.#options.publish({
      payload: { event: "alarm", alarm: `${sourceName}/${state.name}`, state: change, id: state.id, source: sourceName, type, severity, message, ...stated, retain, eventId: eventId.toString("base64") },
      timestamp: time,
    });
  }

  #forget(): void {
    if (this.#known.size <= maxKnown) return;
    const done = [...this.#known].filter(([, { state }]) => !state.retain).slice(0, maxKnown / 10);
    for (const [key] of done.length > 0 ? done : [...this.#known].slice(0, 1)) this.#known.delete(key);
  }
}

const conditionType: NodeId = resolveNodeId(`i=${ObjectTypeIds.ConditionType}`);
const conditionRefresh: NodeId = resolveNodeId(`i=${MethodIds.ConditionType_ConditionRefresh}`);

const keyOf = ({ id, branch }: ConditionState): string => (branch === undefined ? id : `${id} ${branch}`);

/** What is new, the weightiest of it; undefined where nothing is. One that is heard of for the first time and of no interest is no news. */
function changeOf(before: KnownCondition | undefined, event: OpcuaEvent, now: ConditionState): AlarmChange | undefined {
  if (before === undefined) return !now.retain ? undefined : now.branch !== undefined ? "branched" : now.active === false ? "cleared" : "raised";
  const then = before.state;
  if (now.active !== then.active && now.active !== undefined) return now.active ? "raised" : "cleared";
  if (now.enabled !== then.enabled) return now.enabled ? "enabled" : "disabled";
  if (now.acknowledged === true && then.acknowledged === false) return "acknowledged";
  if (now.confirmed === true && then.confirmed === false) return "confirmed";
  if (now.shelved !== then.shelved && now.shelved !== undefined) return now.shelved ? "shelved" : then.shelved === undefined ? undefined : "unshelved";
  if (now.suppressed !== then.suppressed && now.suppressed !== undefined) return now.suppressed ? "suppressed" : then.suppressed === undefined ? undefined : "unsuppressed";
  if (now.retain && (now.level !== then.level || event.severity !== before.event.severity || event.message !== before.event.message)) return "changed";
  return now.comment !== then.comment && now.comment !== undefined ? "commented" : undefined;
}
