/** Label names and values of one series of a metric. */
export type Labels = Readonly<Record<string, string>>;

/** A number that only grows. Adding is one field write: fit for every message of the hot path. */
export interface Counter {
  value: number;
}

/**
 * Where a plugin registers what it counts; the http plugin serves them as Prometheus text. Names are `busbar_<what>_<unit>` with
 * `_total` for counters, as Prometheus wants them. Series of a plugin that stops are removed with it.
 */
export interface Metrics {
  /** The counter of that name and those labels, made at the first call. Keep the result; do not look it up per message. */
  counter(name: string, help: string, labels?: Labels): Counter;
  /** A value that is read when somebody asks. Returns the function that removes it. */
  gauge(name: string, help: string, read: () => number, labels?: Labels): () => void;
}

/** One series as it stands. */
export interface MetricSeries {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

interface Family {
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly series: Map<string, { readonly labels: Labels; readonly read: () => number }>;
}

/** All metrics of one process, without a dependency: an increment of prom-client costs some 370 ns, about half of what a whole message does. */
export class MetricsRegistry implements Metrics {
  readonly #families = new Map<string, Family>();
  readonly #counters = new Map<string, Counter>();

  counter(name: string, help: string, labels: Labels = {}): Counter {
    const key = formatLabels(labels);
    const known = this.#counters.get(name + key);
    if (known) return known;
    const counter: Counter = { value: 0 };
    this.#family(name, help, "counter").series.set(key, { labels, read: () => counter.value });
    this.#counters.set(name + key, counter);
    return counter;
  }

  gauge(name: string, help: string, read: () => number, labels: Labels = {}): () => void {
    const key = formatLabels(labels);
    const family = this.#family(name, help, "gauge");
    const series = { labels, read };
    family.series.set(key, series);
    return () => {
      if (family.series.get(key) === series) family.series.delete(key);
    };
  }

  /** Every series there is, as it stands now; `but` leaves out a family. */
  *series(but?: string): Generator<MetricSeries> {
    for (const [name, family] of this.#families) {
      if (name !== but) for (const { labels, read } of family.series.values()) yield { name, labels, value: readSafely(read) };
    }
  }

  /** Everything in the Prometheus text format 0.0.4. */
  format(): string {
    const lines: string[] = [];
    for (const [name, family] of this.#families) {
      if (family.series.size === 0) continue;
      lines.push(`# HELP ${name} ${family.help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}`, `# TYPE ${name} ${family.kind}`);
      for (const [labels, series] of family.series) lines.push(`${name}${labels} ${formatValue(series.read)}`);
    }
    return lines.join("\n") + "\n";
  }

  #family(name: string, help: string, kind: Family["kind"]): Family {
    let family = this.#families.get(name);
    if (!family) this.#families.set(name, (family = { kind, help, series: new Map() }));
    if (family.kind !== kind) throw new TypeError(`Cannot register ${kind} "${name}": it is a ${family.kind}`);
    return family;
  }
}

/** A gauge that cannot be read must not take the others with it. */
function readSafely(read: () => number): number {
  try {
    return read();
  } catch {
    return Number.NaN;
  }
}

function formatValue(read: () => number): string {
  const value = readSafely(read);
  return Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? "+Inf" : "-Inf";
}

/** The same series for the same labels, in whichever order they are given. */
function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}="${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const seriesLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/;
const labelPair = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/gy;

/** Reads the Prometheus text format 0.0.4 back, without help and types. @throws {SyntaxError} for a line that is none of it. */
export function parseMetrics(text: string): readonly MetricSeries[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
    const [, name, pairs = "", value] = seriesLine.exec(line) ?? [];
    if (name === undefined) throw new SyntaxError(`Cannot parse a line of metrics: ${JSON.stringify(line.slice(0, 80))}`);
    const labels = Object.fromEntries([...pairs.matchAll(labelPair)].map(([, label, quoted]) => [label, quoted!.replace(/\\(.)/g, (_whole, sign: string) => (sign === "n" ? "\n" : sign))]));
    return { name, labels, value: value === "+Inf" ? Number.POSITIVE_INFINITY : value === "-Inf" ? Number.NEGATIVE_INFINITY : Number(value) };
  });
}
