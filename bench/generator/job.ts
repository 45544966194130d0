import type { WireName } from "../wires/registry.ts";

/** Where one side of a target listens. */
export interface Endpoint {
  readonly wire: WireName;
  /** Port on 127.0.0.1. */
  readonly port: number;
  /** Secret for HS256 tokens, one per connection; absent = the token is empty. */
  readonly secret?: string;
}

/** The CPUs that a run has to itself, as far as other programs let it; undefined = not pinned. */
export interface JobCpus {
  readonly server: number | undefined;
  readonly generator: number | undefined;
}

/** Publishers to subscribers, closed or open loop. */
export interface TrafficJob {
  readonly kind: "traffic";
  /** The server's process, whose CPU time is read. */
  readonly pid: number;
  readonly publish: Endpoint;
  readonly subscribe: Endpoint;
  readonly publishers: number;
  readonly subscribers: number;
  readonly qos: 0 | 1;
  /** Messages per write; the most per write in an open loop. */
  readonly burst: number;
  /** Closed loop: most messages on their way at once. */
  readonly window: number;
  /** Messages per second of an open loop; 0 = closed loop, as fast as the window allows. */
  readonly rate: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly cpus: JobCpus;
}

/** What a TrafficJob measured. Times in microseconds. */
export interface TrafficResult {
  readonly kind: "traffic";
  readonly sent: number;
  /** Deliveries, all subscribers together. */
  readonly delivered: number;
  readonly acked: number;
  /** Deliveries that never came. */
  readonly lost: number;
  /** Sampled deliveries that came before an older message of the same publisher. */
  readonly reordered: number;
  /** Deliveries per second within the measured time. */
  readonly perSecond: number;
  /** Server CPU time per delivery within the measured time. */
  readonly cpuUs: number;
  /** Share of one core that the server used within the measured time, 0–1. Well below 1 in a closed loop, the load generator was the limit. */
  readonly serverLoad: number;
  /** Largest share of one of the two CPUs that other programs took within the measured time, 0–1; 0 when nothing is pinned. */
  readonly disturbed: number;
  readonly rssMib: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Many connections that are mostly silent, and one subscriber that counts what they say. */
export interface IdleJob {
  readonly kind: "idle";
  readonly pid: number;
  readonly publish: Endpoint;
  readonly subscribe: Endpoint;
  readonly connections: number;
  /** Each connection sends one message per this many milliseconds. */
  readonly periodMs: number;
  /** How long to measure CPU time, in milliseconds. */
  readonly measureMs: number;
}

/** What an IdleJob measured. */
export interface IdleResult {
  readonly kind: "idle";
  readonly connections: number;
  /** From the first connect to the last authenticated session. */
  readonly connectedMs: number;
  readonly kibPerConnection: number;
  /** Share of one core, 0–1. */
  readonly cpu: number;
  readonly sent: number;
  readonly lost: number;
}

/** What the generator is to do. */
export type Job = TrafficJob | IdleJob;
/** What came of it. */
export type JobResult = TrafficResult | IdleResult;
