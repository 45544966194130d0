import type { Goal, Metric, Sample, Scenario } from "./scenarios/scenario.ts";

/** What one target did, round by round; a round that failed is missing. */
export interface TargetResult {
  readonly name: string;
  /** By round number. */
  readonly samples: ReadonlyMap<number, Sample>;
  readonly errors: readonly string[];
}

/** The middle value; the mean of the two middle ones; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A goal and what became of it; `value` is NaN when one side has no figure. */
export interface GoalResult extends Goal {
  readonly subject: string;
  readonly value: number;
  readonly met: boolean;
}

/** One scenario's figures, ready to be printed or written as JSON. */
export interface ScenarioReport {
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** Medians by target and metric. */
  readonly medians: Readonly<Record<string, Sample>>;
  /** The subject divided by each other target: the median over rounds of the ratio within one round. */
  readonly ratios: Readonly<Record<string, Sample>>;
  readonly goals: readonly GoalResult[];
  /** Largest share of a CPU that other programs took during a measurement that counts, 0–1. */
  readonly disturbed: number;
  readonly errors: readonly string[];
}

/** Turns rounds into medians and ratios. The first of `results` is the subject; `disturbed` is a share of a CPU, 0–1. */
export function summarize(scenario: Scenario, results: readonly TargetResult[], disturbed = 0): ScenarioReport {
  const subject = results[0];
  const medians: Record<string, Sample> = {};
  const ratios: Record<string, Sample> = {};
  for (const result of results) {
    if (result.samples.size === 0) continue;
    const present = scenario.metrics.filter((metric) => [...result.samples.values()].some((sample) => metric.name in sample));
    medians[result.name] = Object.fromEntries(present.map(({ name }) => [name, median(valuesOf(result, name))]));
    if (subject === undefined || result === subject || subject.samples.size === 0) continue;
    ratios[result.name] = Object.fromEntries(present.map(({ name }) => [name, median(pairedRatios(subject, result, name))]));
  }
  const goals = scenario.goals
    .filter((goal) => goal.against === undefined || results.some((result) => result.name === goal.against && result !== subject))
    .map((goal) => judge(goal, scenario, subject?.name ?? "", medians, ratios));
  return {
    name: scenario.name,
    title: scenario.title,
    metrics: scenario.metrics,
    medians,
    ratios,
    goals,
    disturbed,
    errors: results.flatMap((result) => result.errors.map((error) => `${result.name}: ${error}`)),
  };
}

/** The report as text: a table of medians, a row of ratios per peer, a line per goal. */
export function formatReport(report: ScenarioReport): string {
  const header = ["", ...report.metrics.map(({ name, unit }) => `${name} ${unit}`)];
  const rows = Object.entries(report.medians).map(([target, sample]) => [target, ...report.metrics.map(({ name }) => formatFigure(sample[name]))]);
  const subject = Object.keys(report.medians)[0] ?? "";
  const ratios = Object.entries(report.ratios).map(([peer, sample]) => [`${subject} : ${peer}`, ...report.metrics.map(({ name }) => formatRatio(sample[name]))]);
  const goals = report.goals.map((goal) => {
    const better = report.metrics.find(({ name }) => name === goal.metric)?.better;
    const what = goal.against === undefined ? goal.metric : `${goal.metric}, ${goal.subject} : ${goal.against}`;
    const value = goal.against === undefined ? formatFigure(goal.value) : formatRatio(goal.value);
    const state = Number.isNaN(goal.value) ? "not measured" : goal.met ? "met" : "missed";
    return `  ${goal.id} ${what}: ${value} (goal ${better === "more" ? ">=" : "<="} ${goal.limit}) ${state}`;
  });
  const warning = report.disturbed > 0.15 ? [`  Warning: other programs took up to ${Math.round(report.disturbed * 100)} % of a CPU; the rates of this run mean little, CPU time per message still does`] : [];
  return [report.title, ...table([header, ...rows, ...ratios]), ...goals, ...warning, ...report.errors.map((error) => `  failed: ${error}`)].join("\n");
}

function valuesOf(result: TargetResult, metric: string): number[] {
  return [...result.samples.values()].map((sample) => sample[metric]).filter((value) => value !== undefined);
}

/** Figures of different rounds are not compared: the machine drifts, but less within a round. */
function pairedRatios(subject: TargetResult, peer: TargetResult, metric: string): number[] {
  return [...subject.samples].flatMap(([round, sample]) => {
    const [mine, theirs] = [sample[metric], peer.samples.get(round)?.[metric]];
    return mine === undefined || theirs === undefined || theirs === 0 ? [] : [mine / theirs];
  });
}

function judge(goal: Goal, scenario: Scenario, subject: string, medians: Record<string, Sample>, ratios: Record<string, Sample>): GoalResult {
  const value = (goal.against === undefined ? medians[subject] : ratios[goal.against])?.[goal.metric] ?? Number.NaN;
  const more = scenario.metrics.find(({ name }) => name === goal.metric)?.better === "more";
  return { ...goal, subject, value, met: more ? value >= goal.limit : value <= goal.limit };
}

function formatFigure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "-";
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value >= 10 ? 1 : 2);
}

function formatRatio(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? "-" : `x ${value.toFixed(2)}`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ")}`);
}
