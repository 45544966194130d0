import { BusbarError } from "./errors.ts";

/** Ids that belong to nobody in particular (WIRE §1): nobody may be called so, nor speak for what lies below them. */
export const reservedIds: ReadonlySet<string> = new Set(["server", "all", "group"]);

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
const sessionWords: ReadonlySet<string> = new Set(["auth", "batch", "error", "ping", "pong", "subscribe", "subscribed", "unsubscribe", "unsubscribed"]);

/** Whether `text` is a message type: `[a-z][a-z0-9-]{0,31}` (WIRE §1), and not a word that means something else on a JSON session (WIRE §2). */
export function isType(text: string): boolean {
  return typePattern.test(text) && !sessionWords.has(text);
}

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
 * @throws {BusbarError} BAD_FRAME when it is none.
 */
export function checkPattern(text: string): void {
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

/** Whether `topic` matches the filter `pattern` (MQTT 5.0 §4.7): `a/#` matches `a` too. */
export function matches(pattern: string, topic: string): boolean {
  return covers(pattern, topic);
}

/**
 * Whether every topic that matches `asked` also matches `granted`; both are topic filters, so `covers("status/#", "status/+/x")`.
 * This is the test that a right passes: what is asked for must lie wholly within what is granted.
 */
export function covers(granted: string, asked: string): boolean {
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
