import * as v from "valibot";
import type { Codec, CodecFactory, Framing } from "./codec.ts";
import { createMessage, type Draft, type Envelope, type Message } from "./envelope.ts";
import type { Frame } from "./frame.ts";
import { listenerFields, listenerPlaces, listenerRules, ruleCheck, signedRule, type ListenerConfig } from "./listener/listener-config.ts";
import { openTcpListener } from "./listener/tcp-listener.ts";
import { definePlugin, type AnyPlugin } from "./plugin.ts";
import { AuditPort, SessionsPort } from "./ports.ts";

/** What a frame of a device says: a message, who the device is, or the answer to a command. */
export type Said =
  | Draft
  | { readonly login: { readonly id: string; readonly token: string } }
  | { readonly answer: { readonly msgid: string; readonly status?: "ok" | "error"; readonly result?: unknown } };

/** A device's private protocol, for one connection; it may remember what it saw there. */
export interface AdapterCodec {
  /**
   * What one frame says: one thing, several, or nothing (`[]`). A message without `from` comes from who has logged in. The bytes stay as they are until it returns.
   * @throws {SyntaxError} when the bytes are no frame of this protocol: the connection ends.
   */
  decode(frame: Uint8Array): Said | readonly Said[];
  /** A command as a frame for the device; undefined when the protocol cannot say it: the command then fails. */
  encode?(command: Envelope): Uint8Array | undefined;
  /** What the device is told when its login was right. */
  welcome?(): Uint8Array;
  /** What the device is told when its message of qos 1 or 2 is durable. */
  acknowledge?(msgid: string): Uint8Array;
}

/** A plugin for a device protocol over TCP or TLS, as its author writes it. */
export interface AdapterDefinition<E extends v.ObjectEntries> {
  /** Lower case with dashes; what a config says in `use`. */
  readonly name: string;
  /** One sentence for `busbar plugins`. */
  readonly description: string;
  /** The port it listens on where the config names none. */
  readonly port: number;
  /** How the byte stream is cut into frames: `lineFraming()`, `lengthFraming("u16be")`, `varintFraming` or one's own. */
  readonly framing: Framing;
  /** Config fields besides those of every listener (`listenerFields`). */
  readonly config?: E;
  /** Whether devices log in (`decode` gives `{login}`). Without, the config's `clients` says how a device is known. Default false. */
  readonly login?: boolean;
  /** Whether commands are sent at once, or, where the device has to speak first, when it has. Default "push". */
  readonly commands?: "push" | "on-input";
  /**
   * Whether the device answers commands (`decode` gives `{answer}`): one that is not answered is then sent again until it is. Where it does not, a command is handed over once and
   * counts as done, unconfirmed. Default false.
   */
  readonly answers?: boolean;
  /** Makes the codec of one connection. */
  codec(config: ListenerConfig & v.InferOutput<v.StrictObjectSchema<E, undefined>>): AdapterCodec;
}

/**
 * Defines a plugin for a device protocol: bytes in, envelopes out, commands back. Sessions, rights, acks, buffering of commands, limits, TLS, back-pressure and metrics
 * come with it; the author writes how frames read.
 */
export function defineAdapter<const E extends v.ObjectEntries = {}>(definition: AdapterDefinition<E>): AnyPlugin {
  const { name, description, port, framing, login = false, commands = "push", answers = false } = definition;
  const fields = v.strictObject({ ...listenerFields(port), ...definition.config }) as unknown as v.GenericSchema<unknown, ListenerConfig & v.InferOutput<v.StrictObjectSchema<E, undefined>>>;
  const [loginRule, certificate, known, unsigned] = [...listenerRules(() => login), signedRule(() => false)].map((rule) => ruleCheck<ListenerConfig & v.InferOutput<v.StrictObjectSchema<E, undefined>>>(rule));
  return definePlugin({
    name,
    description,
    config: v.pipe(fields, loginRule!, certificate!, known!, unsigned!),
    needs: { audit: AuditPort, sessions: SessionsPort },
    listens: (config) => listenerPlaces(config, description),
    async setup(ctx) {
      const encodes = definition.codec(ctx.config).encode !== undefined;
      const codec: CodecFactory = { name, session: login, create: () => toCodec(definition.codec(ctx.config), answers) };
      await openTcpListener(ctx, { framing, codec, commands: encodes ? commands : "none", answers, what: description });
    },
  });
}

/** An adapter's codec as a session's codec. */
function toCodec(adapter: AdapterCodec, answers: boolean): Codec {
  const toAnyFrame = (said: Said): Frame => {
    if (!answers && "answer" in said) throw new TypeError('Cannot take an answer: the adapter does not say "answers: true"');
    return toFrame(said);
  };
  return {
    decode(bytes, start, end) {
      const said = adapter.decode(bytes.subarray(start, end));
      return Array.isArray(said) ? said.map(toAnyFrame) : toAnyFrame(said as Said);
    },
    encode(frame) {
      if (frame.kind === "auth_response") return adapter.welcome?.();
      if (frame.kind === "ack") return adapter.acknowledge?.(frame.msgid);
      return undefined;
    },
    encodeMessage: (message: Message) => (message.type === "command" ? adapter.encode?.(message) : undefined),
  };
}

function toFrame(said: Said): Frame {
  if ("login" in said) return { kind: "auth", deviceId: said.login.id, token: said.login.token };
  if (!("answer" in said)) return createMessage(said);
  const { msgid, status = "ok", result } = said.answer;
  return { kind: "ack", msgid, status, ...(result === undefined ? {} : { payload: result }) };
}
