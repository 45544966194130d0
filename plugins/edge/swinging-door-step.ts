import { defineStep, duration, type Step, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { tagChoice, tagGlob, tagsField, tagTest } from "./glob.ts";
import { baseOf, loadBase, type MessageBase } from "./message-base.ts";
import { sampleStep, seriesFields } from "./sample-step.ts";
import { type Sample, withSamples } from "./samples.ts";
import { type Series, SeriesStates } from "./series-states.ts";
import { SwingingDoor } from "./swinging-door.ts";

const deviation = v.pipe(v.number(), v.finite(), v.minValue(0));
const longest = 31 * 86_400_000;

const config = v.pipe(
  v.strictObject({
    deviation: v.pipe(v.optional(deviation), v.description("The error bound in the unit of the value, at least 0: no value that is left out lies further from the line between those sent.")),
    percent: v.pipe(v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(100))), v.description("The error bound in percent of `range` instead, 0 to 100.")),
    range: v.pipe(
      v.optional(v.pipe(v.strictTuple([v.pipe(v.number(), v.finite()), v.pipe(v.number(), v.finite())]), v.check(([low, high]) => low < high, "must be the lowest value and a higher one"))),
      v.description("The lowest and the highest value of the measuring range, for `percent`."),
    ),
    deviations: v.pipe(v.optional(v.pipe(v.record(tagGlob(), deviation), v.maxEntries(1_000)), {}), v.description("Error bounds of single tags or patterns, such as {pressure: 0.02}. Without `deviation` and `percent` all other tags pass untouched. Default: none.")),
    tags: tagsField(),
    max: v.pipe(v.optional(duration(100, longest), 600_000), v.description("The longest time between two readings of a series that are sent, and about how long its last one is held back when no more come. Default 10m, 100ms to 31d.")),
    min: v.pipe(v.optional(duration(0, longest), 0), v.description("Readings nearer than this to the last one sent are not held to the bound, so that a noisy series is sent no more often. Default 0, up to 31d.")),
    ...seriesFields,
  }),
  v.check(({ deviation: own, percent, deviations }) => own !== undefined || percent !== undefined || Object.keys(deviations).length > 0, "names no error bound: say `deviation`, `percent` with `range`, or `deviations`"),
  v.forward(v.check(({ deviation: own, percent }) => own === undefined || percent === undefined, "cannot stand beside `deviation`: one of them is the bound"), ["percent"]),
  v.forward(v.check(({ percent, range }) => (percent === undefined) === (range === undefined), "goes together with `percent`: name both or none"), ["range"]),
  v.forward(v.check(({ min, max }) => min < max, "must be less than `max`"), ["min"]),
);

/** A reading with a number. */
type Point = Sample & { readonly value: number };

interface DoorState {
  readonly door: SwingingDoor<Point>;
  /** The last reading that came; what has another quality, code or unit, or is no number, is sent at once. */
  last: Sample | undefined;
  /** When something was last sent that is no point of the door, event time. */
  sent: number;
  /** When the last reading came, by the gateway's clock. */
  arrived: number;
  base: MessageBase | undefined;
}

const kept = v.object({ door: v.unknown(), last: v.optional(v.looseObject({ tag: v.string(), time: v.number() })), sent: v.number(), arrived: v.number(), base: v.unknown() });

/**
 * `swinging-door`: sends only the readings that are needed to draw the series anew within a stated error. A reading is held back until the next ones show that it is needed, and is then sent with its own
 * time. Bad ones, those that are no numbers, and changes of quality, code or unit are sent at once, with the reading held before them.
 */
export const swingingDoorStep = defineStep({
  description: "Sends only the readings from which a series can be drawn anew within a stated error (swinging door compression)",
  config,
  create(options, context): Step {
    const { percent, range, deviations, tags, min, max, series: limit, late } = options;
    const bound = options.deviation ?? (percent === undefined || range === undefined ? undefined : (percent / 100) * (range[1] - range[0]));
    const choose = tagChoice<number | undefined>([...Object.entries(deviations), ["*", bound]]);
    const wanted = tagTest(tags);
    const create = (tag: string): DoorState => ({ door: new SwingingDoor({ deviation: choose(tag) ?? 0, min, max }), last: undefined, sent: 0, arrived: 0, base: undefined });
    const states = new SeriesStates<DoorState>(context, {
      limit,
      create,
      save: ({ last, ...state }) => ({ ...state, door: state.door.snapshot(), ...(last !== state.door.newest && { last }) }),
      load(saved, tag) {
        const { success, output } = v.safeParse(kept, saved);
        const state = create(tag);
        if (!success || !state.door.restore(output.door)) return undefined;
        return { ...state, ...output, door: state.door, last: (output.last as Sample | undefined) ?? state.door.newest, base: loadBase(output.base) };
      },
      forget: ({ state }) => release(state),
    });

    /** Readings that were held back and go before the message at hand. */
    const freed: Sample[] = [];
    let current: Sample | undefined;
    let passes = false;
    const send = (point: Point): void => {
      if (point === current) passes = true;
      else freed.push(point);
    };
    /** A message of readings that were held back. It is not retained: newer readings of the topic may have gone before it. */
    const heldMessage = (base: MessageBase, samples: readonly Sample[]): StepMessage => {
      const { time } = samples[0]!;
      const msgid = context.msgid(base.topic, time, ...samples.map(({ tag }) => tag));
      return withSamples({ ...base, retain: false, timestamp: time, msgid, payload: null }, samples);
    };
    const release = ({ door, base }: DoorState): void => door.flush((point) => base && context.emit(heldMessage(base, [point])));
    /** With another bound the doors that are open mean nothing: what they hold is sent, as soon as the gateway runs. */
    const beginAnew = (): void => {
      const held: StepMessage[] = [];
      for (const series of states.all()) {
        const { door, base } = series.state;
        if (door.held && base) held.push(heldMessage(base, [door.held]));
        series.state = create(series.tag);
      }
      if (held.length > 0) context.clock.after(0, () => held.forEach(context.emit));
    };
    const each = (sample: Sample, { state }: Series<DoorState>, message: StepMessage): Sample | undefined => {
      const { last } = state;
      state.last = sample;
      state.arrived = context.clock.now();
      state.base = baseOf(message, state.base);
      current = sample;
      passes = false;
      const changed = last !== undefined && (last.quality !== sample.quality || last.code !== sample.code || last.unit !== sample.unit);
      if (isPoint(sample)) {
        if (changed) state.door.interrupt(send);
        state.door.add(sample, send);
      } else {
        state.door.interrupt(send);
        passes = changed || last?.value !== sample.value || sample.time - state.sent >= max;
        if (passes) state.sent = sample.time;
      }
      return passes ? sample : undefined;
    };

    const passing: StepMessage[] = [];
    const collect = (message: StepMessage): void => void passing.push(message);
    const inner = sampleStep({ states, late, context, concerns: (tag) => (wanted?.(tag) ?? true) && choose(tag) !== undefined, each });
    if (states.keep({ anyConfig: true }) === false) beginAnew();
    context.clock.every(Math.min(10_000, max / 10), () => {
      const before = context.clock.now() - max;
      for (const series of states.all()) if (series.state.door.held && series.state.arrived <= before) release(series.state);
    });
    return (message, emit) => {
      inner(message, collect);
      const own = passing.splice(0);
      const held = freed.splice(0);
      if (held.length > 0) {
        const base = baseOf(message);
        for (const time of new Set(held.map((sample) => sample.time))) emit(heldMessage(base, held.filter((sample) => sample.time === time)));
      }
      for (const one of own) emit(one);
    };
  },
});

function isPoint(sample: Sample): sample is Point {
  return typeof sample.value === "number" && Number.isFinite(sample.value) && sample.quality !== "bad";
}
