import { parseMetrics, type MetricSeries } from "./metrics.ts";

/** One account of the ledger: what went in, and what has become of it. */
export interface LedgerAccount {
  /** "messages", "subscribers", "peers", or that of a plugin: the `<name>` of its `busbar_<name>_entered_total`. */
  readonly name: string;
  readonly entered: number;
  /** What is settled, by fate and, where there is one, reason: `stored`, `dropped loop`. */
  readonly settled: Readonly<Record<string, number>>;
  /** What is still on its way. */
  readonly waiting: number;
  /** `entered` less what is settled and what waits: 0 unless something was lost track of. */
  readonly imbalance: number;
}

/** The families of the kernel's own accounts; a plugin's are named by the convention of `readLedger`. */
const kernelAccounts = [
  { name: "messages", entered: "busbar_received_total", settled: "busbar_messages_total", waiting: "busbar_messages_waiting" },
  { name: "subscribers", entered: "busbar_deliveries_total", settled: "busbar_deliveries_settled_total", waiting: "busbar_deliveries_waiting" },
  { name: "peers", entered: "busbar_peer_deliveries_total", settled: "busbar_peer_deliveries_settled_total", waiting: "busbar_peer_deliveries_waiting" },
] as const;

/**
 * Draws up the ledger from the metrics: each account says that entered = settled by fate + dropped by reason + waiting, between any two turns of the event loop. Besides the kernel's own
 * accounts every `busbar_<name>_entered_total` is one, with `busbar_<name>_settled_total{fate, reason}` and `busbar_<name>_waiting`; what is dropped is in `busbar_dropped_total{of: <name>}` for all.
 */
export function readLedger(series: Iterable<MetricSeries>): readonly LedgerAccount[] {
  const families = new Map<string, MetricSeries[]>();
  for (const one of series) {
    const family = families.get(one.name);
    if (family) family.push(one);
    else families.set(one.name, [one]);
  }
  const plugins = [...families.keys()].flatMap((family) => {
    const name = /^busbar_(\w+)_entered_total$/.exec(family)?.[1];
    return name === undefined ? [] : [{ name, entered: family, settled: `busbar_${name}_settled_total`, waiting: `busbar_${name}_waiting` }];
  });
  const sum = (all: readonly MetricSeries[] = []): number => all.reduce((total, { value }) => total + value, 0);
  return [...kernelAccounts, ...plugins].map(({ name, entered, settled, waiting }) => {
    const fates: Record<string, number> = {};
    for (const { labels, value } of families.get(settled) ?? []) add(fates, [labels["fate"], labels["reason"]].filter(Boolean).join(" "), value);
    for (const { labels, value } of families.get("busbar_dropped_total") ?? []) if (labels["of"] === name) add(fates, `dropped ${labels["reason"]}`, value);
    const account = { name, entered: sum(families.get(entered)), settled: fates, waiting: sum(families.get(waiting)) };
    return { ...account, imbalance: account.entered - account.waiting - Object.values(fates).reduce((total, value) => total + value, 0) };
  });
}

/** The ledger of a gateway whose metrics were fetched as Prometheus text, over HTTP or from `Gateway.metrics()`. @throws {SyntaxError} when it is no such text. */
export function parseLedger(metricsText: string): readonly LedgerAccount[] {
  return readLedger(parseMetrics(metricsText));
}

/** What all accounts together have lost track of: 0 unless there is a fault. */
export function ledgerImbalance(series: Iterable<MetricSeries>): number {
  return readLedger(series).reduce((total, { imbalance }) => total + Math.abs(imbalance), 0);
}

function add(fates: Record<string, number>, fate: string, value: number): void {
  fates[fate] = (fates[fate] ?? 0) + value;
}
