import type { RunningTarget, Target } from "../targets/target.ts";

/** How long and how wide to measure. */
export interface Effort {
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Subscribers of fan-out. */
  readonly subscribers: number;
  /** Connections of idle. */
  readonly connections: number;
  /** How long idle connections speak. */
  readonly idleMs: number;
  /** Leave out what only adds rows: peers other than *bare* where a scenario does not live from them. */
  readonly brief: boolean;
}

/** What is measured against the others. */
export interface Subject {
  /** Busbar with its journal in memory. */
  readonly live: Target;
  /** Busbar with its journal on disk. */
  readonly durable: Target;
  /** Busbar on the other runtime, when the two are compared. */
  readonly reference: Target | undefined;
}

/** What a scenario needs from the run. */
export interface Context {
  readonly effort: Effort;
  readonly generatorCpu: number | undefined;
  readonly serverCpu: number | undefined;
  /** Rate per second of the half-load measurement, once the subject's maximum is known; the same for all targets. */
  halfRate: number | undefined;
  /** How many more measurements of this scenario may be repeated because other programs disturbed them. */
  repeats: number;
  /** What other programs took of the CPUs during each measurement, as shares 0–1; appended to by the measurements. */
  readonly disturbed: number[];
}

/** One column of a scenario's table. */
export interface Metric {
  readonly name: string;
  readonly unit: "/s" | "ns" | "µs" | "ms" | "KiB" | "MiB" | "%" | "x";
  /** Whether more of it is better. */
  readonly better: "more" | "less";
}

/** What GOALS asks of the subject, as a ratio to a peer in the same run or as a limit. */
export interface Goal {
  /** Number in the project's list of figures, such as `P1`. */
  readonly id: string;
  readonly metric: string;
  /** Name of the target to divide by; absent = `limit` is absolute. */
  readonly against?: string;
  readonly limit: number;
}

/** Values by metric name. */
export type Sample = Record<string, number>;

/** One job, done by several targets in turn. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly goals: readonly Goal[];
  /** The targets that can do it; the subject comes first. */
  targets(subject: Subject, effort: Effort): readonly Target[];
  /**
   * Starts the target, measures, stops it.
   * @throws Error when the target refuses, closes, or loses where nothing may be lost.
   */
  measure(target: Target, context: Context): Promise<Sample>;
}

/** The other runtime as a list, for a scenario's targets. */
export function references(subject: Subject): readonly Target[] {
  return subject.reference === undefined ? [] : [subject.reference];
}

/** Runs `measure` against a freshly started target, and stops it whatever happens. */
export async function withTarget<T>(target: Target, context: Context, measure: (running: RunningTarget) => Promise<T>): Promise<T> {
  const running = await target.start(context.serverCpu);
  try {
    return await measure(running);
  } finally {
    await running.stop();
  }
}
