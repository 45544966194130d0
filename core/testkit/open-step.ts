import * as v from "valibot";
import type { Bus } from "../bus.ts";
import { createMessage, type Envelope } from "../envelope.ts";
import { createLog, type LogRecord } from "../log.ts";
import { MetricsRegistry } from "../metrics.ts";
import type { StepMessage } from "../plugin.ts";
import { compileRoute, type RouteState } from "../route.ts";
import type { StepDefinition } from "../step.ts";
import { topicOf } from "../topic.ts";
import { fakeClock, type FakeClock } from "./fake-clock.ts";
import { sumMetrics } from "./sum-metrics.ts";

/** What surrounds the step under test. */
export interface OpenStepOptions {
  /** Default: a clock that stands at 2026-01-01T00:00:00Z. */
  readonly clock?: FakeClock;
  /** What the step had kept: `kept` of an earlier one. */
  readonly kept?: RouteState;
  /** Default: one on which nothing may be said. */
  readonly bus?: Pick<Bus, "publish" | "deliver" | "subscribe">;
  /** The name of the step. Default "step". */
  readonly name?: string;
}

/** A step that runs in a real route, alone. */
export interface StepUnderTest {
  readonly clock: FakeClock;
  /** Everything it has emitted, within calls and outside of them. */
  readonly emitted: Envelope[];
  readonly log: LogRecord[];
  /** Hands it a message, by default a `status` of `plc-1` at 1000 with a msgid of its own; gives what it emits within the call. */
  send(draft: Partial<StepMessage>): readonly Envelope[];
  /** `send` of readings, `{tag: value}` or whole readings, with the timestamp `at`. */
  readings(at: number, values: Readonly<Record<string, unknown>> | readonly object[]): readonly Envelope[];
  /** What it would keep now, as it would come out of the journal. */
  kept(): RouteState;
  /** What it counted under that name. */
  counted(what: string): number;
  /** Ends it as a stop of the gateway does and starts it again with what it kept. `config`: another one than before. */
  restart(config?: unknown): StepUnderTest;
  /** Ends it. */
  close(): void;
}

/** Makes a step from a config as a user writes it. @throws {v.ValiError} when the config does not fit. */
export function openStep(definition: StepDefinition, config: unknown, options: OpenStepOptions = {}): StepUnderTest {
  const { clock = fakeClock(), name = "step", kept } = options;
  const emitted: Envelope[] = [];
  const log: LogRecord[] = [];
  const metrics = new MetricsRegistry();
  const route = compileRoute(
    { name: "route", from: "#", steps: [{ name, definition, config: v.parse(definition.config, config), owner: "owner" }], to: { kind: "plugin", id: "test" }, source: { steps: [config] } },
    {
      clock, metrics, kept,
      log: createLog({ level: "debug", clock, write: (record) => log.push(record) }),
      busOf: () => (options.bus ?? silentBus) as Bus,
      publish: () => {},
      sendTo: (_id, message) => void emitted.push(message),
    },
  );
  let count = 0;
  const keptNow = (): RouteState => JSON.parse(JSON.stringify(route.snapshot())) as RouteState;
  const step: StepUnderTest = {
    clock, emitted, log,
    send(draft) {
      const before = emitted.length;
      const message = createMessage({ type: "status", payload: null, from: "plc-1", timestamp: 1000, msgid: `m-${++count}`, ...draft });
      message.received = clock.now();
      message.topic = draft.topic ?? topicOf(message.type, message.from, message.to);
      route.handle(message);
      return emitted.slice(before);
    },
    readings: (at, values) => step.send({ timestamp: at, payload: { values: Array.isArray(values) ? values : Object.entries(values).map(([tag, value]) => ({ tag, value })) } }),
    kept: keptNow,
    counted: (what) => sumMetrics(metrics.format(), `busbar_step_total{what="${what}"}`),
    restart(next = config) {
      const state = keptNow();
      route.close();
      return openStep(definition, next, { ...options, clock, kept: state });
    },
    close: () => route.close(),
  };
  return step;
}

const unexpected = (): never => {
  throw new TypeError("Cannot speak on the bus: the test has given none");
};

const silentBus: Pick<Bus, "publish" | "deliver" | "subscribe"> = { publish: unexpected, deliver: unexpected, subscribe: unexpected };
