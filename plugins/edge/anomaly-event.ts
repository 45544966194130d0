import type { StepContext, StepMessage } from "@busbar/core";
import type { AnomalyFinding, AnomalySettings, AnomalyState } from "./anomaly-judge.ts";
import type { Series } from "./series-states.ts";

/** What an event is made of. */
export interface AnomalyEventOptions {
  /** Milliseconds since the Unix epoch: of the value, or on the gateway's clock where nothing came. */
  readonly time: number;
  readonly settings: AnomalySettings;
  /** Milliseconds without a value that are an anomaly. */
  readonly missing: number | undefined;
  readonly context: StepContext;
}

/**
 * The event of an anomaly that begins or ends, `event/<source>`, qos 1: `{"event":"anomaly","anomaly":"flow/rate","state":"raised",…}`, in the words of alarms, so that what shows these shows both.
 */
export function createAnomalyEvent(series: Series<AnomalyState>, finding: AnomalyFinding, options: AnomalyEventOptions): StepMessage {
  const { tag, topic, state } = series;
  const { method, begins, score, expected } = finding;
  const source = topic.slice(topic.indexOf("/") + 1);
  const unit = state.last?.unit;
  const payload = {
    event: "anomaly",
    anomaly: `${tag}/${method}`,
    state: begins ? "raised" : "cleared",
    id: `${source}/${tag}/${method}`,
    tag,
    method,
    value: state.last?.value ?? null,
    ...(unit === undefined ? {} : { unit }),
    ...(score === undefined ? {} : { score: Number(Math.min(score, 1e9).toPrecision(4)) }),
    ...(expected === undefined ? {} : { expected }),
    message: `${tag} ${begins ? textOf(finding, series, options) : `is normal again: ${names[method]}`}`,
  };
  return { type: "event", from: source, to: "server", topic: `event/${source}`, payload, timestamp: options.time, qos: 1, retain: false, msgid: options.context.msgid(source, tag, method, state.told, options.time) };
}

const names: Readonly<Record<AnomalyFinding["method"], string>> = { "z-score": "its distance from the mean", rate: "its rate of change", flat: "it moves", missing: "it is there" };

function textOf({ method, score = 0, expected = 0 }: AnomalyFinding, { state }: Series<AnomalyState>, { settings, missing = 0 }: AnomalyEventOptions): string {
  const unit = state.last?.unit === undefined ? "" : ` ${state.last.unit}`;
  const value = `${state.last?.value}${unit}`;
  const short = (number: number): string => String(Number(number.toPrecision(4)));
  switch (method) {
    case "z-score":
      return `is ${value}: ${score > 1e6 ? "it never moved before" : `${short(score * settings.zScore!.threshold)} standard deviations`} from ${short(expected)}${unit}`;
    case "rate":
      return `is ${value}: it changes ${short(score)} times as fast as it may`;
    case "flat":
      return `is ${value}: it has stayed within ${settings.flat!.within}${unit} for ${short((score * settings.flat!.for) / 1000)} s`;
    case "missing":
      return `is missing: nothing has come for ${missing / 1000} s`;
  }
}
