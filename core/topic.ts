import { BusbarError } from "./errors.ts";

/** Who says what the gateway itself has to say: its audit log, and how commands end that no device ends. */
export const gatewayId = "gateway";

/** Ids that belong to nobody in particular (WIRE §1), or to the gateway itself: nobody may be called so, nor speak for what lies below them. */
export const reservedIds: ReadonlySet<string> = new Set(["server", "all", "group", gatewayId]);

/** Whether `id` is a reserved id or lies below one. */
export function isReservedId(id: string): boolean {
  const slash = id.indexOf("/");
  return reservedIds.has(slash < 0 ? id : id.slice(0, slash));
}

const idPattern = /^[A-Za-z0-9._:@-]+(?:\/[A-Za-z0-9._:@-]+)*$/;
const typePattern = /^[a-z][a-z0-9-]{0,31}$/;

/** Whether `text` is an id: 1–256 bytes, levels of `[A-Za-z0-9._:@-]+` joined by `/` (WIRE §1). The levels `.` and `..` are refused: they mean something else wherever an id ends up in a path. */
export function isId(text: string): boolean {
  return text.length <= 256 && idPattern.test(text) && !/(?:^|\/)\.\.?(?:\/|$)/.test(text);
}

/** Words of the session that an envelope on a JSON session could not be told from (WIRE §2). */
const sessionWords: ReadonlySet<string> = new Set(["auth", "batch", "disconnect", "error", "ping", "pong", "subscribe", "subscribed", "unsubscribe", "unsubscribed"]);

/** The type of the messages in which the gateway keeps last wills. Nobody else may say it, and nobody sees it: no filter matches it but one that names it, which no peer may. */
export const willType = "will";

/** The type of the messages in which the gateway keeps what steps of routes remember: as hidden as last wills. */
export const routeStateType = "route-state";

/** The type of the messages in which the gateway notes which nonces were used. */
export const nonceType = "nonce-seen";

/** The types of messages that nobody but the gateway says or sees. */
export const hiddenTypes: readonly string[] = [willType, routeStateType];

/** Whether a topic, or a filter, is of one of them. */
export function isHiddenTopic(topic: string): boolean {
  return isOfType(topic, willType) || isOfType(topic, routeStateType);
}

function isOfType(topic: string, type: string): boolean {
  return topic.startsWith(type) && (topic.length === type.length || topic.charCodeAt(type.length) === 47);
}

/** Whether `text` is a message type: `[a-z][a-z0-9-]{0,31}` (WIRE §1), not a word that means something else on a JSON session (WIRE §2), and not the gateway's own. */
export function isType(text: string): boolean {
  return typePattern.test(text) && !sessionWords.has(text) && !hiddenTypes.includes(text);
}

/** Types of what the gateway notes about itself in the journal: no peer may say them, and a sink or a recording has them only where it names them. */
export const gatewayTypes: ReadonlySet<string> = new Set(["audit", "command-sent", "dead-letter", nonceType, ...hiddenTypes]);

/** Types of messages that the gateway follows to their end, whatever became of it meanwhile: it looks for all of them at each start, so a journal does well to find them fast. */
export const followedTypes: ReadonlySet<string> = new Set(["command", "command-sent", "ack", "dead-letter", nonceType]);

/** Whether `text` is a topic filter of MQTT 5.0 §4.7: levels joined by `/`, `+` and `#` each alone in a level, `#` only at the end; 1–512 bytes, at most 32 levels. */
export function isPattern(text: string): boolean {
  if (text.length === 0 || text.length > 512) return false;
  const levels = text.split("/");
  if (levels.length > 32) return false;
  return levels.every((level, at) =>
    level === "+" || (level === "#" ? at === levels.length - 1 : /^[A-Za-z0-9._:@-]+$/.test(level)),
  );
}

/**
 * Checks a topic filter that came from outside.
 * @throws {BusbarError} BAD_FRAME when it is none, FORBIDDEN when it names a type that is the gateway's own.
 */
export function checkPattern(text: string): void {
  if (isHiddenTopic(text)) throw new BusbarError("FORBIDDEN", `Cannot use ${JSON.stringify(text.slice(0, 80))} as a topic pattern: messages of this type are the gateway's own`);
  if (!isPattern(text)) throw new BusbarError("BAD_FRAME", `Cannot use ${JSON.stringify(text.slice(0, 80))} as a topic pattern: it is not an MQTT topic filter of at most 512 bytes and 32 levels`);
}

/** The topic of a message: `type/(to is "server" ? from : to)` (WIRE §1). */
export function topicOf(type: string, from: string, to: string): string {
  return type + "/" + (to === "server" ? from : to);
}

/** Whether the holder of `identity` speaks for `id`: for itself and for what lies below it (`home-7` for `home-7/lamp`, never for `home-70`). */
export function speaksFor(identity: string, id: string): boolean {
  return id.startsWith(identity) && (id.length === identity.length || id.charCodeAt(identity.length) === 47);
}

/** Whether a command to `to` may be answered by `from`: by whom it is for, or one above or below; one to many by anybody, as only the authority knows who is in a group. */
export function mayAnswer(from: string, to: string): boolean {
  return to === "all" || to.startsWith("group/") || speaksFor(from, to) || speaksFor(to, from);
}

/** Whether a wildcard in the first level leaves it out: what is the gateway's own, and what begins with `$` (MQTT 5.0 §4.7.2), which no type does. */
function isBeyondWildcards(topic: string): boolean {
  return topic.charCodeAt(0) === 36 || isHiddenTopic(topic);
}

/** Whether a topic filter begins with `+` or `#`. */
function beginsWild(pattern: string): boolean {
  const first = pattern.charCodeAt(0);
  return first === 35 || first === 43;
}

/** Whether `topic` matches the filter `pattern` (MQTT 5.0 §4.7): `a/#` matches `a` too. A wildcard in the first level does not match what is the gateway's own, nor `$` there (§4.7.2). */
export function matches(pattern: string, topic: string): boolean {
  return covers(pattern, topic);
}

/**
 * Whether every topic that matches `asked` also matches `granted`; both are topic filters, so `covers("status/#", "status/+/x")`. Exact: it says no only where there is such a topic.
 * This is the test that a right passes: what is asked for must lie wholly within what is granted.
 */
export function covers(granted: string, asked: string): boolean {
  if (beginsWild(granted) && isBeyondWildcards(asked)) return false;
  if (asked === "#") return granted === "#" || granted === "+/#"; // every topic has a first level
  const have = granted.split("/");
  const want = asked.split("/");
  for (let at = 0; ; at++) {
    const one = have[at];
    if (one === "#") return true;
    if (at >= want.length) return at >= have.length; // `a/#` covers `a`: the line above saw its `#` at this place
    const other = want[at];
    if (other === "#") return false;
    if (one === undefined || (one !== "+" && one !== other)) return false;
  }
}

/** Whether some topic matches both filters, as `status/+/lamp` and `status/home-7/#` do. Exact. */
export function overlaps(one: string, other: string): boolean {
  if ((beginsWild(one) && isBeyondWildcards(other)) || (beginsWild(other) && isBeyondWildcards(one))) return false;
  const left = one.split("/");
  const right = other.split("/");
  for (let at = 0; ; at++) {
    const a = left[at];
    const b = right[at];
    if (a === "#" || b === "#") return true; // `a/#` matches `a` too, so it does not matter whether the other one goes on
    if (a === undefined || b === undefined) return a === b;
    if (a !== b && a !== "+" && b !== "+") return false;
  }
}

/** Whether `topic` matches the filter, or one of the filters. */
export function matchesAny(patterns: string | readonly string[], topic: string): boolean {
  return typeof patterns === "string" ? matches(patterns, topic) : patterns.some((pattern) => matches(pattern, topic));
}
