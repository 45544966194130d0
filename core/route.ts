import type { Bus } from "./bus.ts";
import type { Clock } from "./clock.ts";
import type { CheckedRoute, CheckedStep, Destination } from "./config/checked.ts";
import { completeMessage, createMessage, createMinter, type Draft, type Envelope } from "./envelope.ts";
import { BusbarError } from "./errors.ts";
import { createInstanceClock } from "./kernel/instance-clock.ts";
import type { Log } from "./log.ts";
import type { Counter, Metrics } from "./metrics.ts";
import type { StepMessage } from "./plugin.ts";
import { createRouteMsgids, digest } from "./route-msgid.ts";
import type { Kept, Step, StepContext } from "./step.ts";
import { gatewayId } from "./topic.ts";
import { parseTemplate } from "./topic-template.ts";

/** What the steps of a route have kept, by place and name such as "0/window"; `config` is a digest of the step's config. */
export type RouteState = Readonly<Record<string, { readonly config: string; readonly state: unknown }>>;

/** What a route runs on; the kernel hands it in. */
export interface RouteContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** A bus in the name of `id`. */
  busOf(id: string): Bus;
  /** What the steps had kept, if anything. */
  readonly kept?: RouteState | undefined;
  /** Writes what the steps keep now; absent where nothing is kept. */
  save?(): void;
  /** Takes each message that goes to a topic; all of its fields are set, `msgid` too, unless a step left it out. Whether it is published or delivered is up to the kernel. */
  publish(draft: Draft): void;
  /** Takes each message that goes to the plugin instance `id`. */
  sendTo(id: string, message: Envelope): void;
}

/** A route that is ready to run. */
export interface CompiledRoute {
  readonly name: string;
  /** What to subscribe to. */
  readonly pattern: string;
  /** Whether any of its steps keeps state. */
  readonly keeps: boolean;
  /**
   * Sends one message through the steps, and what they emit onward, before it returns. Called from one place at a time.
   * @throws whatever a step throws, and {BusbarError} BAD_FRAME when the topic that results is none.
   */
  handle(message: Envelope): void;
  /** The state of all steps that keep some. @throws what a step throws. */
  snapshot(): RouteState;
  /** Ends timers, subscriptions and whatever else steps have; nothing is sent any more. */
  close(): void;
}

/** Routes that feed each other come back to themselves within a call of the bus; this deep it is taken for a circle. */
const depthLimit = 16;

/**
 * Makes a checked route run. What it sends keeps `timestamp`, `qos`, `retain`, `expires` and `replace` of its source unless a step changes them.
 * Its `msgid` follows from the route and the source's `from` and `msgid`, so a source that is processed twice is deduplicated behind the
 * route as well; where a step gave it another msgid, from that instead. A topic `type/id` makes `from` = id; `command/id` makes `to` = id and keeps the source's `from`.
 */
export function compileRoute(route: CheckedRoute, context: RouteContext): CompiledRoute {
  const send = createSender(route.name, route.to, context);
  const cleanups: (() => void)[] = [];
  const snapshots = new Map<string, { readonly config: string; readonly snapshot: () => unknown }>();
  let open = true;
  let depth = 0;
  /** What is on its way through the steps, and how much was sent of it; undefined for what a step emits by itself. */
  let source: Envelope | undefined;
  let count = 0;

  const out = (message: StepMessage): void => {
    const own = source === undefined || message.msgid !== source.msgid;
    send(message, source, own ? -1 : count++);
  };
  const run = (of: Envelope | undefined, message: StepMessage, entry: (message: StepMessage) => void): void => {
    if (depth >= depthLimit) throw new BusbarError("CONFIG", `Cannot send "${message.topic}" through route "${route.name}": it has come back to the route ${depth} times`);
    const outer = source;
    const outerCount = count;
    depth++;
    source = of;
    count = 0;
    try {
      entry(message);
    } finally {
      depth--;
      source = outer;
      count = outerCount;
    }
  };

  /** Where a message enters that has passed so many steps: made from the end, once, so that nothing is made per message. */
  const entries: ((message: StepMessage) => void)[] = [out];
  for (let index = route.steps.length - 1; index >= 0; index--) {
    const next = entries[0]!;
    const late = (message: StepMessage): void => {
      if (open) run(undefined, message, next);
    };
    const step: Step = createStep(route, index, { ...context, emit: late, cleanups, snapshots });
    entries.unshift((message) => step(message, next));
  }
  const first = entries[0]!;

  return {
    name: route.name,
    pattern: route.from,
    keeps: snapshots.size > 0,
    handle: (message) => run(message, toStepMessage(message), first),
    snapshot: () => Object.fromEntries([...snapshots].map(([place, { config, snapshot }]) => [place, { config, state: snapshot() }])),
    close() {
      open = false;
      for (const cleanup of cleanups.reverse()) cleanup();
      cleanups.length = 0;
    },
  };
}

interface StepSurroundings extends RouteContext {
  readonly emit: (message: StepMessage) => void;
  readonly cleanups: (() => void)[];
  readonly snapshots: Map<string, { readonly config: string; readonly snapshot: () => unknown }>;
}

function createStep(route: CheckedRoute, index: number, around: StepSurroundings): Step {
  const { name, definition, config, owner = gatewayId } = route.steps[index]!;
  const { metrics, cleanups, snapshots } = around;
  const log = around.log.child({ step: name });
  const place = `${index}/${name}`;
  const counters = new Map<string, Counter>();
  const defer = (cleanup: () => void): void => void cleanups.push(cleanup);
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      log.error("step failed", { error });
    }
  };
  const bus = around.busOf(owner);
  const context: StepContext = {
    clock: createInstanceClock(around.clock, { defer, fail: (error) => log.error("step failed", { error }) }),
    log,
    owner,
    route: route.name,
    index,
    bus: {
      publish: (draft) => bus.publish(draft),
      deliver: (draft) => bus.deliver(draft),
      subscribe(pattern, handler, options) {
        const subscription = bus.subscribe(pattern, handler, options);
        defer(() => subscription.close());
        return subscription;
      },
    },
    emit: (message) => guarded(() => around.emit(message)),
    msgid: (...parts) => digest(JSON.stringify([route.name, place, ...parts]), 22),
    keep(snapshot): Kept | undefined {
      if (snapshots.has(place)) throw new TypeError(`Cannot keep the state of step "${name}": it is kept already`);
      const fingerprint = digestConfig(route.source, index, route.steps[index]!);
      snapshots.set(place, { config: fingerprint, snapshot });
      const kept = around.kept?.[place];
      return kept && { state: kept.state, sameConfig: kept.config === fingerprint };
    },
    save: () => around.save?.(),
    count(what) {
      let counter = counters.get(what);
      if (!counter) counters.set(what, (counter = metrics.counter("busbar_step_total", "What steps of routes count", { route: route.name, step: place, what })));
      counter.value++;
    },
    defer: (cleanup) => defer(() => guarded(cleanup)),
  };
  return definition.create(config as never, context);
}

/** What stands in the file, since what a schema makes of it may hold compiled expressions, which JSON has no word for. */
function digestConfig(source: unknown, index: number, step: CheckedStep): string {
  const written: unknown = typeof source === "object" && source !== null && "steps" in source && Array.isArray(source.steps) ? source.steps[index] : step.config;
  return digest(JSON.stringify(written) ?? "");
}

function toStepMessage(source: Envelope): StepMessage {
  const { type, payload, from, to, msgid, timestamp, qos, retain, expires, replace, topic } = source;
  return { type, payload, from, to, msgid, timestamp, qos, retain, expires, replace, topic };
}

/** `index`: the how-manieth message of its source it is; -1 where a step made its msgid, or left it to the bus. */
function createSender(name: string, destination: Destination, context: RouteContext): (draft: StepMessage, source: Envelope | undefined, index: number) => void {
  const msgids = createRouteMsgids(name);
  const msgidOf = (draft: StepMessage, source: Envelope | undefined, index: number): string | undefined => {
    if (source !== undefined && index >= 0) return msgids.ofSource(source.from, source.msgid, index);
    return draft.msgid === undefined ? undefined : msgids.ofStep(draft.from, draft.msgid);
  };
  if (destination.kind === "plugin") {
    const mint = createMinter();
    return (draft, source, index) => {
      const msgid = index === 0 ? source!.msgid : msgidOf(draft, source, index);
      const message = createMessage({ ...draft, msgid });
      completeMessage(message, { from: draft.from, now: source?.received ?? context.clock.now(), mint });
      context.sendTo(destination.id, message);
    };
  }
  const template = parseTemplate(destination.template);
  return (draft, source, index) => {
    const { type, id } = template.fill(draft.type, draft.to === "server" ? draft.from : draft.to);
    const { payload, timestamp, qos, retain, expires, replace } = draft;
    const [from, to] = type === "command" ? [draft.from, id] : [id, "server"];
    context.publish({ type, payload, from, to, msgid: msgidOf(draft, source, index), timestamp, qos, retain, expires, replace });
  };
}
