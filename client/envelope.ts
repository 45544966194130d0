import { ClientError } from "./client-error.ts";
import type { SealOptions } from "./sealed.ts";

/** MQTT's levels of delivery: 0 at most once, 1 at least once, 2 exactly once. */
export type Qos = 0 | 1 | 2;

/** A message to publish. Only `type` and `payload` are needed. */
export interface Draft {
  /** `status`, `event`, `command` or a token of your own, `[a-z][a-z0-9-]{0,31}`. */
  readonly type: string;
  /** Any JSON value, or a Uint8Array. It is written down at once: what happens to it afterwards does not matter. */
  readonly payload: unknown;
  /** Default: the id of the client. Otherwise an id below it. */
  readonly from?: string;
  /** Default: nobody in particular. */
  readonly to?: string;
  /**
   * 1–64 bytes. Default: minted. Whoever derives it from where the value comes from (a meter's own counter, a row number) may publish it again after a crash: the gateway
   * takes it once.
   */
  readonly msgid?: string;
  /** Milliseconds since the Unix epoch: when it happened. Default: now. */
  readonly timestamp?: number;
  /** Default 1. */
  readonly qos?: Qos;
  /** Keep as the last value of its topic. Default false. */
  readonly retain?: boolean;
  /** Milliseconds since the Unix epoch after which it is of no use; it is not sent any more then. */
  readonly expires?: number;
  /** Who alone may read the payload: it is encrypted before it leaves this process. Default: everybody to whom the gateway gives it. */
  readonly seal?: SealOptions;
}

/** What became of a message. */
export interface Receipt {
  readonly msgid: string;
  /** Where it stands in the journal, where the gateway says so. */
  readonly offset?: number | undefined;
}

/** A message as it came from the gateway (WIRE §1). */
export interface Envelope {
  readonly msgid: string;
  readonly timestamp: number;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  /** Any JSON value, or a Uint8Array. */
  readonly payload: unknown;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly expires?: number | undefined;
  /** Where it stands in the journal; absent when it is not there. */
  readonly offset?: number | undefined;
  /** `type/(to is "server" ? from : to)`. */
  readonly topic: string;
}

/** A message on its way out, checked and written down. */
export interface Outgoing {
  readonly msgid: string;
  readonly timestamp: number;
  readonly type: string;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly qos: Qos;
  readonly retain?: boolean | undefined;
  readonly expires?: number | undefined;
  /** JSON text. */
  readonly payload: string;
  /** The signature, where the transport signs: base64url. */
  readonly mac?: string | undefined;
  readonly nonce?: string | undefined;
  readonly signedAt?: number | undefined;
}

const idPattern = /^[A-Za-z0-9._:@-]+(?:\/[A-Za-z0-9._:@-]+)*$/;
const maxDepth = 64;

/** Whether `text` is an id (WIRE §1). */
export function isId(text: string): boolean {
  return text.length <= 256 && idPattern.test(text);
}

/**
 * Checks a message and writes it down, so that nothing leaves the client that the gateway would not understand.
 * @throws {ClientError} BAD_FRAME when a field has a value that it may not have.
 */
export function writeDown(draft: Draft, defaults: { readonly msgid: () => string; readonly now: number }): Outgoing {
  const { type, from, to, msgid = defaults.msgid(), timestamp = defaults.now, qos = 1, retain = false, expires } = draft;
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(type)) throw invalid("type", type, "a token such as status or my-type");
  if (from !== undefined && !isId(from)) throw invalid("from", from, "an id");
  if (to !== undefined && !isId(to)) throw invalid("to", to, "an id");
  if (typeof msgid !== "string" || msgid === "" || utf8.encode(msgid).length > 64) throw invalid("msgid", msgid, "1 to 64 bytes of text");
  if (qos !== 0 && qos !== 1 && qos !== 2) throw invalid("qos", qos, "0, 1 or 2");
  if (!isTime(timestamp)) throw invalid("timestamp", timestamp, "milliseconds since 1970");
  if (expires !== undefined && !isTime(expires)) throw invalid("expires", expires, "milliseconds since 1970");
  return { msgid, timestamp, type, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }), qos, ...(retain ? { retain } : {}), ...(expires === undefined ? {} : { expires }), payload: formatPayload(draft.payload) };
}

/** A payload as JSON text; bytes as `{"$base64":"…"}` (WIRE §1). @throws {ClientError} BAD_FRAME when it is no JSON value or nested more than 64 levels deep. */
export function formatPayload(payload: unknown): string {
  if (payload instanceof Uint8Array) return JSON.stringify({ $base64: toBase64(payload) });
  checkDepth(payload, maxDepth);
  const text: string | undefined = JSON.stringify(payload, (_, value: unknown) => (value instanceof Uint8Array ? { $base64: toBase64(value) } : typeof value === "bigint" ? value.toString() : value));
  if (text === undefined) throw invalid("payload", typeof payload, "a JSON value or bytes");
  return text;
}

/** What the fields of an envelope are, where they are there. */
const fieldTypes = { msgid: "string", timestamp: "number", from: "string", to: "string", type: "string", qos: "number", retain: "boolean", expires: "number", offset: "number" } as const;

/** A message as the client hands it out. `frame`: an envelope as JSON has it. Undefined when a field is of another type than WIRE §1 says, as no gateway of ours sends it: `problem` hears of it. */
export function readEnvelope(frame: Readonly<Record<string, unknown>>, problem: (error: ClientError) => void): Envelope | undefined {
  for (const [name, wanted] of Object.entries(fieldTypes)) {
    const is = typeof frame[name];
    if (is === "undefined" || is === wanted) continue;
    problem(new ClientError("BAD_FRAME", `Cannot read a message of the gateway: its ${name} is a ${is}, not a ${wanted}`));
    return undefined;
  }
  const { msgid = "", timestamp = 0, from = "", to = "server", type = "", qos = 0, retain = false, payload, expires, offset } = frame as Partial<Envelope>;
  return { msgid, timestamp, from, to, type, payload: readPayload(payload), qos, retain, ...(expires === undefined ? {} : { expires }), ...(offset === undefined ? {} : { offset }), topic: `${type}/${to === "server" ? from : to}` };
}

const utf8 = new TextEncoder();

function isTime(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= 8_640_000_000_000_000;
}

function checkDepth(value: unknown, left: number): void {
  if (typeof value !== "object" || value === null) return;
  if (left === 0) throw invalid("payload", "object", `nested at most ${maxDepth} levels deep`);
  for (const key in value) checkDepth((value as Record<string, unknown>)[key], left - 1);
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/; // RFC 4648 §4; atob() throws for everything else

/** A payload as the client hands it out: `{"$base64":"…"}` is bytes again, unless it is no base64. */
export function readPayload(payload: unknown): unknown {
  if (typeof payload !== "object" || payload === null || !("$base64" in payload)) return payload;
  const { $base64: text } = payload;
  if (typeof text !== "string" || Object.keys(payload).length !== 1 || !base64.test(text)) return payload;
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192)); // more arguments than the stack holds otherwise
  return btoa(text);
}

function invalid(field: string, value: unknown, wanted: string): ClientError {
  return new ClientError("BAD_FRAME", `Cannot publish: "${field}" must be ${wanted}, not ${JSON.stringify(String(value).slice(0, 80))}`);
}
