import { createMinter, decodePayload, errorCode, toJsonObject, topicPattern, type Bus, type Draft, type Principal, type Qos, type Receipt, type SignatureFields, type Store } from "@busbar/core";
import * as v from "valibot";
import { originOf } from "./bearer.ts";
import { defineOperation, type AnyOperation, type ApiParts } from "./operation.ts";
import { Problem, problemOf } from "./problem.ts";
import { checkMaySee } from "./rights.ts";
import { envelopeInput, envelopeList, envelopes, envelopesDocument, historyQuery, messagePage, receipt } from "./shapes.ts";

type Input = v.InferOutput<typeof envelopeInput>;
type Outcome = v.InferOutput<typeof receipt>;
type History = v.InferOutput<typeof historyQuery> & { readonly topic: string };

/** Sending messages, and reading those that were kept: `/api/messages`. */
export function messageOperations(parts: ApiParts): AnyOperation[] {
  const mint = createMinter();
  return [
    defineOperation({
      method: "post",
      path: "/api/messages",
      id: "sendMessages",
      summary: "Send one message or up to 1,000",
      description: "Answers when everything of qos 1 and 2 is durable. When some of a list are refused the answer is the problem of the first one, with `errors` (index, code, detail) and `accepted` (index, msgid, offset); sending the whole list again is then safe for qos 1 and 2, as a known msgid is not delivered again.",
      body: envelopes,
      bodyDocument: envelopesDocument,
      answers: { 200: { description: "What became of it, or of each in order", schema: v.union([receipt, v.array(receipt)]) } },
      problems: [403, 503],
      async handle({ principal, body, context }) {
        const bus = parts.bus.as(principal, originOf(context));
        const { signed: mode } = parts.config;
        const sign = mode === "off" ? undefined : (draft: Draft, signature: SignatureFields): Promise<Receipt | undefined> => parts.signed.send(draft, { mode, principal, signature });
        const send = (input: Input): Promise<Outcome> => sendOne(bus, input, { mint, sign, signal: context.req.raw.signal });
        if (!Array.isArray(body)) return context.json(await send(body as Input));
        return context.json(await sendAll(body as v.InferOutput<typeof envelopeList>, send));
      },
    }),
    defineOperation({
      method: "get",
      path: "/api/messages",
      id: "listMessages",
      summary: "What was said, oldest first",
      description: "Needs the right to subscribe to `topic`.",
      query: v.strictObject({ topic: v.pipe(v.optional(topicPattern(), "#"), v.description("MQTT topic filter")), ...historyQuery.entries }),
      answers: { 200: { description: "A page", schema: messagePage } },
      problems: [403, 503],
      handle: async ({ principal, query, context }) => context.json(await readHistory(parts, principal, query)),
    }),
  ];
}

interface SendOptions {
  readonly mint: () => string;
  /** Sends a message that is signed; undefined when it is not and need not be. Absent: signatures are taken no notice of. */
  readonly sign: ((draft: Draft, signature: SignatureFields) => Promise<Receipt | undefined>) | undefined;
  readonly signal: AbortSignal;
}

async function sendOne(bus: Bus, input: Input, options: SendOptions): Promise<Outcome> {
  const qos = input.qos ?? 0;
  if (qos > 0 && input.msgid === undefined) throw new Problem(422, { code: "BAD_FRAME", detail: "msgid: needed at qos 1 and 2, as a retry is known by it" });
  const { ver: _ver, mac, nonce, signedAt, ...fields } = input;
  const draft: Draft = { ...fields, payload: decodePayload(input.payload) };
  const receipt = await options.sign?.(draft, { mac, nonce, signedAt });
  return receipt === undefined ? await sendPlain(bus, { ...draft, msgid: draft.msgid ?? options.mint(), qos }, options) : outcomeOf(qos, receipt);
}

async function sendPlain(bus: Bus, draft: Draft & { readonly msgid: string; readonly qos: Qos }, options: SendOptions): Promise<Outcome> {
  const { msgid, qos } = draft;
  if (qos === 0) {
    if (!bus.publish(draft)) await bus.ready(options.signal); // the client's next request waits, as a session's socket would
    return { msgid };
  }
  return outcomeOf(qos, await bus.deliver(draft));
}

function outcomeOf(qos: Qos, { msgid, offset, duplicate }: Receipt): Outcome {
  return qos === 0 ? { msgid } : { msgid, offset, ...(duplicate ? { duplicate } : {}) };
}

/** Hands all over in order before it waits for any, so that they share one commit. */
async function sendAll(inputs: readonly Input[], send: (input: Input) => Promise<Outcome>): Promise<Outcome[]> {
  const settled = await Promise.allSettled(inputs.map(send));
  const outcomes: Outcome[] = [];
  const accepted: object[] = [];
  const errors: object[] = [];
  let first: Problem | undefined;
  settled.forEach((result, index) => {
    if (result.status === "fulfilled") {
      outcomes.push(result.value);
      accepted.push({ index, ...result.value });
      return;
    }
    const problem = problemOf(result.reason);
    first ??= problem;
    errors.push({ index, code: problem.options.code ?? errorCode(result.reason), detail: problem.message });
  });
  if (first === undefined) return outcomes;
  throw new Problem(first.status, { ...first.options, detail: `${errors.length} of ${inputs.length} messages were refused: ${first.message}`, members: { errors, accepted } });
}

/** A page of what was kept. @throws {Problem} 403 without the right to all of it, 503 when no plugin keeps any. */
export async function readHistory(parts: ApiParts, principal: Principal, query: History): Promise<v.InferInput<typeof messagePage>> {
  checkMaySee(parts, principal, query.topic);
  const store = needStore(parts);
  const { topic, since, until, limit, cursor } = query;
  try {
    const page = await store.messages({ topic, limit, ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }), ...(cursor === undefined ? {} : { cursor }) });
    return { messages: page.entries.map(({ message, offset }) => toJsonObject(message, offset)) as v.InferInput<typeof messagePage>["messages"], ...(page.next === undefined ? {} : { next: page.next }) };
  } catch (error) {
    if (error instanceof RangeError) throw new Problem(400, { detail: `query.cursor: ${error.message}`, cause: error });
    throw error;
  }
}

/** The store. @throws {Problem} 503 when no plugin of the config keeps history. */
export function needStore(parts: ApiParts): Store {
  if (parts.store === undefined) throw new Problem(503, { code: "UNAVAILABLE", detail: "Cannot read history: no storage plugin is in the config" });
  return parts.store;
}
