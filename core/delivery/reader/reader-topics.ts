import type { Lane } from "../../bus.ts";
import { covers, gatewayTypes, matches, matchesAny } from "../../topic.ts";

/** Topics whose lane is remembered. */
const cacheLimit = 20_000;

/** What `laneOf` says of the reader's own dead letters: no lane reads them, but they may ask it for something. */
export const ownDeadLetters = -2;

/** Sorts the topics of one reader into its lanes. */
export class ReaderTopics {
  /** For each lane, and then for the lane "live", what to ask the journal for: it may give more, `laneOf` decides. */
  readonly queries: readonly (readonly string[])[];
  readonly #patterns: readonly string[];
  readonly #lanes: readonly Lane[];
  readonly #own: string;
  #cache = new Map<string, number>();

  constructor(patterns: readonly string[], { lanes, reader }: { readonly lanes: readonly Lane[]; readonly reader: string }) {
    this.#patterns = patterns;
    this.#lanes = lanes;
    this.#own = `dead-letter/${reader}`;
    this.queries = [...lanes.map((lane) => [...new Set(lane.patterns.flatMap((one) => patterns.flatMap((other) => common(one, other))))]), patterns];
  }

  /** The place of a topic's lane in the order of the lanes, the number of lanes for "live", negative when the reader does not want it. */
  laneOf(topic: string): number {
    let lane = this.#cache.get(topic);
    if (lane === undefined) {
      if (this.#cache.size >= cacheLimit) this.#cache = new Map();
      this.#cache.set(topic, (lane = this.#find(topic)));
    }
    return lane;
  }

  #find(topic: string): number {
    if (topic === this.#own) return ownDeadLetters;
    const type = topic.slice(0, topic.indexOf("/"));
    const own = gatewayTypes.has(type); // only for those who name it, as it would otherwise feed on itself
    if (!this.#patterns.some((pattern) => matches(pattern, topic) && (!own || pattern.startsWith(type + "/")))) return -1;
    const lane = this.#lanes.findIndex(({ patterns }) => matchesAny(patterns, topic));
    return lane < 0 ? this.#lanes.length : lane;
  }
}

/** The narrower of two topic filters, none where no topic matches both. */
function common(one: string, other: string): readonly string[] {
  if (covers(one, other)) return [other];
  return overlap(one.split("/"), other.split("/")) ? [one] : [];
}

function overlap(one: readonly string[], other: readonly string[]): boolean {
  for (let at = 0; ; at++) {
    const [a, b] = [one[at], other[at]];
    if (a === "#" || b === "#") return true;
    if (a === undefined || b === undefined) return a === b;
    if (a !== b && a !== "+" && b !== "+") return false;
  }
}
