import { idText, integer } from "@busbar/core";
import * as v from "valibot";

/*
 * The JSON that the API takes and gives (WIRE §1, §4), as schemas: requests are checked against them, and the OpenAPI document is made of them.
 */

/** Milliseconds since the Unix epoch, up to the last moment a JavaScript Date knows (ECMA-262 §21.4.1.1). */
export const time = v.pipe(integer(0, 8_640_000_000_000_000), v.description("Milliseconds since the Unix epoch"));

const messageId = v.pipe(v.string(), v.minLength(1), v.maxBytes(64));
const anything = v.unknown();

/** An envelope as a client sends it. What WIRE §1 gives a default may be absent. */
export const envelopeInput = v.object({
  ver: v.optional(v.pipe(v.string(), v.regex(/^1(?:\.\d+)?$/, "must be a version 1 envelope"))),
  msgid: v.pipe(v.optional(messageId), v.description("Unique per sender; needed at qos 1 and 2")),
  timestamp: v.optional(time),
  from: v.pipe(v.optional(idText()), v.description("Default: the token's id; else an id below it")),
  to: v.optional(idText()),
  type: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,31}$/)),
  payload: v.optional(anything),
  qos: v.optional(v.picklist([0, 1, 2])),
  retain: v.optional(v.boolean()),
  expires: v.optional(time),
  replace: v.pipe(v.optional(messageId), v.description("Of a command: takes the place of an earlier one of the same `to` and `replace` that has not been sent")),
  mac: v.pipe(v.optional(v.string()), v.description("Of a signed message: base64url HMAC-SHA-256 of its canonical form")),
  nonce: v.pipe(v.optional(v.string()), v.description("Of a signed message: never used before by its sender, 1-64 bytes")),
  signedAt: v.pipe(v.optional(time), v.description("Of a signed message: when it was signed, where that is not its timestamp")),
});

/** Several envelopes, as WIRE §2 bounds a batch. */
export const envelopeList = v.pipe(v.array(envelopeInput), v.minLength(1), v.maxLength(1000));

/** One envelope or several; chosen by what is there, so that an error names the place in it. */
export const envelopes = v.lazy((input) => (Array.isArray(input) ? envelopeList : envelopeInput));

/** The same for the document. */
export const envelopesDocument = v.union([envelopeInput, envelopeList]);

/** An envelope as the gateway gives it. */
export const envelope = v.object({
  ver: v.literal("1.0"),
  msgid: v.string(),
  timestamp: time,
  from: v.string(),
  to: v.string(),
  type: v.string(),
  payload: anything,
  qos: v.picklist([0, 1, 2]),
  retain: v.boolean(),
  expires: v.optional(time),
  replace: v.optional(messageId),
  offset: v.pipe(integer(1, Number.MAX_SAFE_INTEGER), v.description("Place in the journal")),
});

/** What became of one envelope. */
export const receipt = v.object({
  msgid: v.string(),
  offset: v.pipe(v.optional(integer(1, Number.MAX_SAFE_INTEGER)), v.description("Place in the journal, at qos 1 and 2")),
  duplicate: v.pipe(v.optional(v.literal(true)), v.description("This msgid was known: nothing was delivered again")),
});

/** One of the things that were wrong. */
export const fault = v.object({ index: v.optional(v.number()), at: v.optional(v.string()), code: v.optional(v.string()), detail: v.string() });

/** RFC 9457, with the members that this API adds. */
export const problem = v.object({
  type: v.literal("about:blank"),
  title: v.string(),
  status: v.number(),
  detail: v.optional(v.string()),
  code: v.optional(v.string()),
  errors: v.optional(v.array(fault)),
  accepted: v.pipe(v.optional(v.array(v.object({ index: v.number(), msgid: v.string(), offset: v.optional(v.number()) }))), v.description("POST /api/messages: what was taken although others were not")),
  missing: v.pipe(v.optional(v.array(v.string())), v.description("/readyz: what keeps the gateway from being ready")),
});

/** A page of history. */
export const messagePage = v.object({ messages: v.array(envelope), next: v.pipe(v.optional(v.string()), v.description("The cursor of the next page; absent on the last one")) });

const received = v.pipe(v.optional(time), v.description("When the gateway took it, ms since the Unix epoch"));
const code = v.pipe(v.optional(v.string()), v.description("The status in the protocol's own words, where it had one"));

const lastValue = v.object({
  value: v.pipe(v.nullable(v.union([v.number(), v.string(), v.boolean()])), v.description("null: the source had none")),
  unit: v.optional(v.string()),
  quality: v.string(),
  code,
  timestamp: v.pipe(time, v.description("When it was sampled at the source, ms since the Unix epoch")),
  received,
});

/** A device. */
export const device = v.object({
  id: v.string(),
  online: v.boolean(),
  lastSeen: time,
  values: v.record(v.string(), lastValue),
});

/** A page of devices. */
export const devicePage = v.object({ devices: v.array(device), next: v.optional(v.string()) });

/** A command to a device. */
export const commandInput = v.pipe(
  v.strictObject({
    payload: anything,
    msgid: v.pipe(v.optional(messageId), v.description("Unique per sender: the same one again is the same command, which is not given twice. Default: minted")),
    ttl: v.pipe(v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(31_536_000))), v.description("Seconds after which it is of no use any more")),
    deadline: v.pipe(v.optional(time), v.description("The same as a point in time, milliseconds since the Unix epoch")),
    replace: v.pipe(v.optional(messageId), v.description("It takes the place of an earlier command to the same device with the same key that has not been sent")),
    wait: v.pipe(v.optional(integer(0, 60_000)), v.description("Milliseconds to wait for the command to be done, failed or expired before this answers. Default 0")),
  }),
  v.check(({ ttl, deadline }) => ttl === undefined || deadline === undefined, "has both ttl and deadline: one of them is enough"),
);

const commandState = v.picklist(["queued", "sent", "done", "failed", "expired"]);

/** A command that is on its way. */
export const commandReceipt = v.object({ msgid: v.string(), state: commandState });

/** How far a command has come. */
export const command = v.object({
  msgid: v.string(),
  from: v.string(),
  to: v.string(),
  state: commandState,
  result: v.optional(anything),
  answers: v.pipe(v.optional(v.record(v.string(), v.object({ status: v.picklist(["ok", "error"]), result: v.optional(anything), at: time }))), v.description("Of a command to many: what each device answered, of the first 1,000")),
  devices: v.pipe(v.optional(v.object({ handed: v.number(), answered: v.number() })), v.description("Of a command to many: how many devices got it and answered")),
  created: time,
  expires: time,
});

/** Names a dead letter. */
export const deadLetterId = v.pipe(v.string(), v.minLength(1), v.maxBytes(64));

/** A message that a sink refused for good. */
export const deadLetter = v.object({
  id: deadLetterId,
  offset: v.pipe(integer(1, Number.MAX_SAFE_INTEGER), v.description("Its own place in the journal")),
  reader: v.pipe(v.string(), v.description("The durable reader that could not hand it over: `<instance>/<name>`")),
  reason: v.pipe(v.string(), v.description("What the sink said")),
  time: v.pipe(time, v.description("When it was refused, ms since the Unix epoch")),
  message: envelope,
});

/** A page of dead letters. */
export const deadLetterPage = v.object({ deadLetters: v.array(deadLetter), next: v.pipe(v.optional(v.string()), v.description("`after` of the next page; absent on the last one")) });

/** Which dead letters are meant. */
export const deadLetterChoice = v.strictObject({
  ids: v.optional(v.pipe(v.array(deadLetterId), v.maxLength(1000))),
  reader: v.optional(idText()),
  all: v.pipe(v.optional(v.boolean()), v.description("All of them; needed where neither ids nor a reader are named")),
});

/** Which part of the history. */
export const historyQuery = v.strictObject({
  since: v.optional(time),
  until: v.optional(time),
  limit: v.pipe(v.optional(integer(1, 10_000), 100), v.description("Messages per page")),
  cursor: v.pipe(v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1000))), v.description("`next` of the page before")),
});
