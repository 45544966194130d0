import { parseMetrics } from "../metrics.ts";

/** Adds up what a PromQL selector without operators names, such as `busbar_dropped_total{reason="loop"}`, in the text of `/metrics`: all series of the name that have these labels among theirs. 0 when there is none. */
export function sumMetrics(metricsText: string, selector: string): number {
  const [wanted] = parseMetrics(selector + " 0");
  let total = 0;
  for (const { name, labels, value } of parseMetrics(metricsText)) {
    if (name === wanted!.name && Object.entries(wanted!.labels).every(([label, is]) => labels[label] === is)) total += value;
  }
  return total;
}
