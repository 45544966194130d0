/** What a gateway of a scenario runs on. */
export interface Runtime {
  readonly name: string;
  /** The words that run a TypeScript file. */
  command(file: string): readonly string[];
}

/** What a run is told. */
export interface FaultOptions {
  readonly runtime: Runtime;
  /** How often the fault happens. */
  readonly cycles: number;
  /** The same seed draws the same moments; what the machine does in them is its own affair. */
  readonly seed: number;
  /** Told how far it is, for a person who waits. */
  readonly log: (text: string) => void;
  /** How long an outage lasts, for the scenarios that have one. */
  readonly outageMs?: number;
}

/** What a run found. A run is good when `lost`, `doubled` and `reordered` are 0 and there is no problem. */
export interface Figures {
  readonly cycles: number;
  /** Messages of qos 1 and 2 that sources have sent, each counted once however often it was sent again. */
  readonly sent: number;
  /** Of these, acknowledged to their source. */
  readonly acknowledged: number;
  /** Different ones found where they belong: in the journal, or at the receiver. */
  readonly found: number;
  /** Acknowledged and not found. */
  readonly lost: number;
  /** Found more often than is promised. */
  readonly doubled: number;
  /** Found behind one that its source had sent later. */
  readonly reordered: number;
  /** Further figures, by name. */
  readonly details: Readonly<Record<string, number | string>>;
  /** Whatever else is not as promised, one sentence each. */
  readonly problems: readonly string[];
}

/** A way in which things break, and what has to hold all the same. */
export interface Scenario {
  readonly name: string;
  /** What is done to what, in a sentence. */
  readonly about: string;
  /** Cycles of `npm test` and of `npm run test:faults`. */
  readonly cycles: { readonly short: number; readonly long: number };
  /** Why it cannot run on this machine; undefined when it can. */
  missing?(): string | undefined;
  run(options: FaultOptions): Promise<Figures>;
}

/** Whether everything was as promised. */
export function isGood({ lost, doubled, reordered, problems }: Figures): boolean {
  return lost === 0 && doubled === 0 && reordered === 0 && problems.length === 0;
}
