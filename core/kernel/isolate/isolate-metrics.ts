import type { Counter, Labels, Metrics } from "../../metrics.ts";

interface Counted {
  readonly name: string;
  readonly help: string;
  readonly labels: Labels;
  readonly counter: Counter;
  told: number;
}

/** What a plugin in an isolate counts: told to the gateway now and then, as what has been added since the last time. */
export class IsolateMetrics implements Metrics {
  readonly #counters = new Map<string, Counted>();
  readonly #gauges = new Map<number, { readonly name: string; readonly help: string; readonly labels: Labels; readonly read: () => number }>();
  #next = 0;

  counter(name: string, help: string, labels: Labels = {}): Counter {
    const key = name + JSON.stringify(Object.entries(labels).sort());
    let known = this.#counters.get(key);
    if (!known) this.#counters.set(key, (known = { name, help, labels, counter: { value: 0 }, told: 0 }));
    return known.counter;
  }

  gauge(name: string, help: string, read: () => number, labels: Labels = {}): () => void {
    const id = ++this.#next;
    this.#gauges.set(id, { name, help, labels, read });
    return () => this.#gauges.delete(id);
  }

  /** What has been added to each counter since the last call: `[name, help, labels, sum]`. */
  added(): readonly (readonly [string, string, Labels, number])[] {
    return [...this.#counters.values()].flatMap((one) => {
      const sum = one.counter.value - one.told;
      one.told = one.counter.value;
      return sum === 0 ? [] : [[one.name, one.help, one.labels, sum] as const];
    });
  }

  /** Every gauge as it stands. */
  values(): readonly (readonly [string, string, Labels, number])[] {
    return [...this.#gauges.values()].map(({ name, help, labels, read }) => {
      try {
        return [name, help, labels, read()] as const;
      } catch {
        return [name, help, labels, Number.NaN] as const;
      }
    });
  }
}
