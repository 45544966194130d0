import { createHash } from "node:crypto";
import type * as v from "valibot";
import type { Clock } from "./clock.ts";
import type { CheckedRoute, Destination } from "./config/checked.ts";
import { completeMessage, createMessage, type Draft, type Envelope } from "./envelope.ts";
import { BusbarError } from "./errors.ts";
import type { ConfigSchema, StepMessage } from "./plugin.ts";
import { parseTemplate } from "./topic-template.ts";

/** One stage of a route, for one route: takes a message, emits none, one or several. Synchronous. The payload it is given is shared: a step that changes it makes a new one. */
export type Step = (message: StepMessage, emit: (message: StepMessage) => void) => void;

/** A kind of step, as core or a plugin offers it. */
export interface StepDefinition {
  /** One sentence for `busbar plugins` and the JSON Schema. */
  readonly description: string;
  readonly config: ConfigSchema;
  /** Makes the step for one route. `config` is checked. */
  create(config: never, context: { readonly clock: Clock }): Step;
}

/** Defines a step. The call only helps the type checker: `create` gets what the schema makes of the config. */
export function defineStep<const S extends ConfigSchema>(definition: {
  readonly description: string;
  readonly config: S;
  create(config: v.InferOutput<S>, context: { readonly clock: Clock }): Step;
}): StepDefinition {
  return definition;
}

/** What a route runs on; the kernel hands it in. */
export interface RouteContext {
  readonly clock: Clock;
  /** Takes each message that goes to a topic; all of its fields are set, `msgid` too. Whether it is published or delivered is up to the kernel. */
  publish(draft: Draft): void;
  /** Takes each message that goes to the plugin instance `id`. */
  sendTo(id: string, message: Envelope): void;
}

/** A route that is ready to run. */
export interface CompiledRoute {
  readonly name: string;
  /** What to subscribe to. */
  readonly pattern: string;
  /**
   * Sends one message through the steps, and what they emit onward, before it returns. Called from one place at a time.
   * @throws whatever a step throws, and {BusbarError} BAD_FRAME when the topic that results is none.
   */
  handle(message: Envelope): void;
}

/** Routes that feed each other come back to themselves within a call of the bus; this deep it is taken for a circle. */
const depthLimit = 16;

/**
 * Makes a checked route run. What it sends keeps `timestamp`, `qos`, `retain`, `expires` and `replace` of its source unless a step changes them.
 * Its `msgid` follows from the route and the source's `from` and `msgid`, so a source that is processed twice is deduplicated behind the
 * route as well. A topic `type/id` makes `from` = id; `command/id` makes `to` = id and keeps the source's `from`.
 */
export function compileRoute(route: CheckedRoute, context: RouteContext): CompiledRoute {
  const steps = route.steps.map((step) => step.definition.create(step.config as never, { clock: context.clock }));
  const send = createSender(route.name, route.to, context);
  let depth = 0;

  const runFrom = (at: number, message: StepMessage, out: (message: StepMessage) => void): void => {
    const step = steps[at];
    if (step === undefined) out(message);
    else step(message, (next) => runFrom(at + 1, next, out));
  };

  return {
    name: route.name,
    pattern: route.from,
    handle(source) {
      if (depth >= depthLimit) throw new BusbarError("CONFIG", `Cannot send "${source.topic}" through route "${route.name}": it has come back to the route ${depth} times`);
      depth++;
      try {
        let count = 0;
        runFrom(0, toStepMessage(source), (message) => send(source, message, count++));
      } finally {
        depth--;
      }
    },
  };
}

function toStepMessage(source: Envelope): StepMessage {
  const { type, payload, from, to, msgid, timestamp, qos, retain, expires, replace, topic } = source;
  return { type, payload, from, to, msgid, timestamp, qos, retain, expires, replace, topic };
}

function createSender(name: string, destination: Destination, context: RouteContext): (source: Envelope, message: StepMessage, index: number) => void {
  const derive = createDeriver(name);
  if (destination.kind === "plugin") {
    return (source, draft, index) => {
      const msgid = index === 0 ? source.msgid : derive(source, index);
      const message = createMessage({ ...draft, msgid });
      completeMessage(message, { from: source.from, now: source.received, mint: () => msgid });
      context.sendTo(destination.id, message);
    };
  }
  const template = parseTemplate(destination.template);
  return (source, draft, index) => {
    const { type, id } = template.fill(draft.type, draft.to === "server" ? draft.from : draft.to);
    const { payload, timestamp, qos, retain, expires, replace } = draft;
    const [from, to] = type === "command" ? [draft.from, id] : [id, "server"];
    context.publish({ type, payload, from, to, msgid: derive(source, index), timestamp, qos, retain, expires, replace });
  };
}

/** Senders whose tails are remembered per route; beyond it the memory starts anew. */
const tailLimit = 10_000;

/**
 * Gives `<msgid>~<16 characters>`. The tail is a digest of route, sender and index, because messages of several senders may leave in one name, and a
 * sender must not be able to make another's be taken for repeats. A msgid that would get longer than 64 bytes is digested as well.
 */
function createDeriver(route: string): (source: Envelope, index: number) => string {
  let tails = new Map<string, string>();
  const tailOf = (from: string, index: number): string => {
    if (index > 0) return "~" + digest(`${route}\n${from}\n${index}`);
    let tail = tails.get(from);
    if (tail === undefined) {
      if (tails.size >= tailLimit) tails = new Map();
      tails.set(from, (tail = "~" + digest(`${route}\n${from}`)));
    }
    return tail;
  };
  return (source, index) => {
    const whole = source.msgid + tailOf(source.from, index);
    return whole.length <= 64 && (whole.length <= 21 || Buffer.byteLength(whole) <= 64) ? whole : digest(source.msgid) + tailOf(source.from, index);
  };
}

/** 96 bits of SHA-256 in 16 characters. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}
