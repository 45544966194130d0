import type { Endpoint } from "../generator/job.ts";

/** A server under measurement, running. */
export interface RunningTarget {
  /** Its own process, whose CPU time and memory are read. */
  readonly pid: number;
  /** Where publishers of many devices connect. */
  readonly publish: Endpoint;
  /** Where subscribers connect. */
  readonly subscribe: Endpoint;
  /** Ends it and removes what it left on disk. */
  stop(): Promise<void>;
}

/** Something that can do the job: Busbar, or a peer that it is measured against. One file each in this folder. */
export interface Target {
  /** Short name, as printed. */
  readonly name: string;
  /** Why it cannot run here, as a program or file that is missing; undefined = it can. */
  missing(): string | undefined;
  /** Starts it on free ports of 127.0.0.1, confined to `cpu`; resolves when it listens. */
  start(cpu: number | undefined): Promise<RunningTarget>;
}
