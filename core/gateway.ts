/** How one plugin instance stands. */
export interface InstanceStatus {
  readonly id: string;
  /** The plugin's name. */
  readonly use: string;
  readonly state: "starting" | "running" | "restarting" | "failed" | "stopped";
  /** Whether the gateway is not ready without it. */
  readonly required: boolean;
  /** Restarts since the gateway started. */
  readonly restarts: number;
  /** Why it is not running. */
  readonly reason?: string;
  /** What it listens on or connects to, as it announced. */
  readonly addresses: readonly Announcement[];
}

/** What a plugin says that it listens on, for the start-up table and /api/plugins. */
export interface Announcement {
  /** What is there, such as "OPC UA server". */
  readonly what: string;
  /** Where: a URL. */
  readonly url: string;
  /** Other machines reach it, and nothing is encrypted. */
  readonly insecure?: true;
}

/** One box of the flow picture. */
export interface FlowNode {
  readonly id: string;
  readonly kind: "plugin" | "route" | "bus";
  readonly label: string;
  /** Of a plugin at the other end of whose connection machines can be moved: whether its config allows it (`allowWrites`). */
  readonly writes?: boolean;
}

/** The composed flow: who sends to whom, along which topics. */
export interface Flow {
  readonly nodes: readonly FlowNode[];
  readonly edges: readonly { readonly from: string; readonly to: string; readonly label: string }[];
}

/** What a reload of the config did, or why it did nothing. Ids are those of plugin instances. */
export interface ReloadReport {
  /** Counts from 1 since the gateway started. */
  readonly number: number;
  /** "running": the config is right, and what stands here is being done; "refused": everything runs on as before. */
  readonly state: "running" | "done" | "refused";
  /** What is wrong, a line each. */
  readonly problems: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly restarted: readonly string[];
  /** What was new in files that instances read again, such as a certificate: a line each. */
  readonly refreshed: readonly string[];
  /** Whether routes changed. */
  readonly routes: boolean;
  /** Whether settings of the `gateway` section changed: they take effect at the next start. */
  readonly settings: boolean;
}

/** What runs here: for /readyz, /metrics, /api/plugins, /api/flows. */
export interface Gateway {
  /** Milliseconds since the Unix epoch. */
  readonly started: number;
  plugins(): readonly InstanceStatus[];
  flow(): Flow;
  /** All metrics in Prometheus text format. */
  metrics(): string;
  /**
   * Reads the config again and runs it, after those that were asked for before. `planned` is told what will be done, once the config is found right and before anything is stopped: whoever asked
   * may be among that. @throws {BusbarError} UNAVAILABLE where the config did not come from a file.
   */
  reload(planned?: (report: ReloadReport) => void): Promise<ReloadReport>;
  /** The reload that runs, else the last one. */
  lastReload(): ReloadReport | undefined;
  /** Undefined when every required plugin runs and the journal takes messages, else what is missing, a line each. */
  notReady(): readonly string[] | undefined;
}
