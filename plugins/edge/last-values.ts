import type { StepContext, StepMessage } from "@busbar/core";
import * as v from "valibot";
import { samplesOf, type Quality, type Sample } from "./samples.ts";
import { SeriesStates } from "./series-states.ts";

/** The newest reading of a series, of which the source has said so much. */
interface Last {
  value: unknown;
  quality: Quality;
}

const savedSchema = v.tuple([v.unknown(), v.picklist(["good", "uncertain", "bad"])]);
const nothing: Readonly<Record<string, unknown>> = Object.freeze({});

/** The last known values of each topic, by tag, by event time: a late reading takes no newer one's place. */
export class LastValues {
  readonly #states: SeriesStates<Last>;
  /** The same values as expressions want them, by topic. */
  readonly #values = new Map<string, Record<string, unknown>>();

  /** `limit`: series that are remembered. To be made in `create`, since they are kept across restarts. */
  constructor(context: StepContext, limit: number) {
    this.#states = new SeriesStates<Last>(context, {
      limit,
      create: () => ({ value: null, quality: "bad" }),
      save: ({ value, quality }) => [value, quality],
      load(saved) {
        const parsed = v.safeParse(savedSchema, saved);
        return parsed.success ? { value: parsed.output[0], quality: parsed.output[1] } : undefined;
      },
      forget: ({ topic, tag }) => this.#forget(topic, tag),
    });
    this.#states.keep({ anyConfig: true });
    for (const { topic, tag, state } of this.#states.all()) this.#valuesOf(topic)[tag] = state.value;
  }

  /** Takes note of the readings of a message. */
  note(message: StepMessage): readonly Sample[] {
    const samples = samplesOf(message);
    for (const { tag, value, quality, time } of samples) {
      const series = this.#states.of(message.topic, tag);
      if (!this.#states.admit(series, time)) continue;
      series.state.value = value;
      series.state.quality = quality;
      this.#valuesOf(message.topic)[tag] = value;
    }
    return samples;
  }

  /** The last values of a topic, by tag. Not to be changed, and not to be kept. */
  of(topic: string): Readonly<Record<string, unknown>> {
    return this.#values.get(topic) ?? nothing;
  }

  /** The worst quality and the newest time among the last readings of these tags; undefined where one of them is not known, unless it is among the `optional` ones. */
  judge(topic: string, tags: ReadonlySet<string>, optional: ReadonlySet<string>): { readonly quality: Quality; readonly time: number } | undefined {
    let quality: Quality = "good";
    let time = Number.NEGATIVE_INFINITY;
    for (const tag of tags) {
      const series = this.#states.find(topic, tag);
      if (series === undefined) {
        if (optional.has(tag)) continue;
        return undefined;
      }
      if (series.state.quality === "bad" || quality === "good") quality = series.state.quality;
      if (series.newest > time) time = series.newest;
    }
    return { quality, time };
  }

  #valuesOf(topic: string): Record<string, unknown> {
    let values = this.#values.get(topic);
    if (values === undefined) this.#values.set(topic, (values = Object.create(null) as Record<string, unknown>));
    return values;
  }

  #forget(topic: string, tag: string): void {
    const values = this.#values.get(topic);
    if (values === undefined) return;
    delete values[tag];
    if (Object.keys(values).length === 0) this.#values.delete(topic);
  }
}
