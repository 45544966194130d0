import type { Labels, Metrics } from "../../metrics.ts";
import { fieldsOf, listOf, shortText } from "./said.ts";

/** Series of one isolate at once. */
const seriesLimit = 1000;
/** Series of the kernel's own: an isolate that added to them would make the ledger lie. */
const kernelOwn = /^busbar_(?:received|messages|deliveries|peer|dropped|ledger|journal|reader|dead|commands?|sessions|devices|subscriptions|retained|isolate)(?:_|$)/;

/** Adds what an isolate counts to the gateway's metrics: under names of its own only, and not without end. */
export class MetricsBridge {
  readonly #metrics: Metrics;
  readonly #gauges = new Map<string, { value: number; readonly remove: () => void }>();
  readonly #known = new Set<string>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** @throws {SyntaxError} when it makes no sense. */
  add(list: unknown): void {
    for (const item of listOf(list, "what it counted")) {
      const { key, name, help, labels, value } = readSeries(item);
      if (!this.#mayHave(key, name) || !(value >= 0)) continue;
      this.#metrics.counter(name, help, labels).value += value;
    }
  }

  /** @throws {SyntaxError} when it makes no sense. */
  set(list: unknown): void {
    const seen = new Set<string>();
    for (const item of listOf(list, "its gauges")) {
      const { key, name, help, labels, value } = readSeries(item);
      if (!this.#mayHave(key, name)) continue;
      seen.add(key);
      const known = this.#gauges.get(key);
      if (known) known.value = value;
      else {
        const remove = this.#metrics.gauge(name, help, () => this.#gauges.get(key)?.value ?? Number.NaN, labels);
        this.#gauges.set(key, { value, remove });
      }
    }
    for (const [key, gauge] of this.#gauges) {
      if (seen.has(key)) continue;
      gauge.remove();
      this.#gauges.delete(key);
      this.#known.delete(key);
    }
  }

  #mayHave(key: string, name: string): boolean {
    if (kernelOwn.test(name) || (!this.#known.has(key) && this.#known.size >= seriesLimit)) return false;
    this.#known.add(key);
    return true;
  }
}

function readSeries(item: unknown): { readonly key: string; readonly name: string; readonly help: string; readonly labels: Labels; readonly value: number } {
  const [name, help, labels, value] = listOf(item, "a series", 4);
  const pairs = Object.entries(fieldsOf(labels, "its labels"));
  if (!/^busbar_[a-z0-9_]{1,100}$/.test(shortText(name, "a series"))) throw new SyntaxError(`Cannot read what the isolate says: no series may be called ${JSON.stringify(String(name).slice(0, 80))}`);
  if (pairs.length > 10 || pairs.some(([key]) => !/^[a-z_][a-z0-9_]{0,40}$/.test(key))) throw new SyntaxError("Cannot read what the isolate says: a series has labels that are none");
  for (const [, text] of pairs) shortText(text, "a label", 200);
  const number = typeof value === "number" ? value : Number.NaN; // JSON has no NaN: null stands for it
  return { key: JSON.stringify([name, pairs.sort()]), name: name as string, help: shortText(help, "a help text"), labels: Object.fromEntries(pairs) as Labels, value: number };
}
