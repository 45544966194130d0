import type { NodeId } from "node-opcua-client";
import type { OpcuaConfig } from "./config.ts";
import type { ValueContext } from "./values.ts";

/** How the value of a point is watched: a node's or folder's own words, else the connection's. */
export interface Watching {
  /** Milliseconds between two samples at the server; 0 = as fast as it can. */
  readonly sampling: number;
  readonly queue: number;
  readonly discardOldest: boolean;
  readonly trigger: "status" | "value" | "timestamp";
  /** Undefined: none. */
  readonly deadband: { readonly kind: "absolute" | "percent"; readonly value: number } | undefined;
  /** Milliseconds between two reads; undefined: it is monitored. */
  readonly poll: number | undefined;
  readonly history: boolean;
}

/** A node whose value is published as one tag. It lives as long as the plugin; what a connection finds out about it is filled in anew at each. */
export interface Point {
  /** Its place in the list of points, and its client handle. */
  readonly handle: number;
  readonly device: string;
  readonly tag: string;
  /** As the config has it, or as it was found below a folder. */
  readonly address: string;
  readonly watching: Watching;
  /** What the config says; else what the server says. */
  readonly fixedUnit: string | undefined;
  unit: string | undefined;
  /** Undefined while the node is not known at the server. */
  nodeId: NodeId | undefined;
  /** Why it is not watched; undefined where it is. */
  problem: string | undefined;
  /** Milliseconds between two samples that the server has agreed to. */
  sampling: number;
  /** How its values become JSON. */
  values: ValueContext;
  /** Whether the server keeps its history for us. */
  historic: boolean;
  /** Source time of its last value, ms since the Unix epoch; 0 = there was none. */
  last: number;
  /** The same when the connection that there is now began: from there on there is a gap. */
  before: number;
  /** The same of the first value after the connection came back: what history says of that moment is known by then. */
  first: number;
  /** Whether its last reading was bad because there was no connection. */
  lost: boolean;
}

/** What says how a point is watched: an entry of `nodes` or `folders`. */
export type WatchingFields = Pick<OpcuaConfig["nodes"][number], "sampling" | "queue" | "discard" | "trigger" | "deadband" | "poll" | "history">;

/** Values of a node that the server keeps where nothing is said: four reports' worth, at least this many. */
const leastQueue = 10;

/** Fills in what an entry does not say with what the connection says. */
export function watchingOf(entry: WatchingFields, config: OpcuaConfig): Watching {
  const sampling = entry.sampling ?? config.sampling;
  const { deadband } = entry;
  return {
    sampling,
    queue: entry.queue ?? config.queue ?? Math.max(leastQueue, Math.ceil((config.subscription.publish * 4) / Math.max(sampling, 10))),
    discardOldest: (entry.discard ?? config.discard) === "oldest",
    trigger: entry.trigger ?? config.trigger,
    deadband: deadband === undefined ? undefined : typeof deadband === "number" ? { kind: "absolute", value: deadband } : { kind: "percent", value: Number.parseFloat(deadband) },
    poll: entry.poll,
    history: entry.history ?? config.history.enabled,
  };
}

/** What is known of a point before there is a connection. */
export function createPoint(fixed: Pick<Point, "handle" | "device" | "tag" | "address" | "watching" | "fixedUnit" | "last">): Point {
  return { ...fixed, unit: fixed.fixedUnit, nodeId: undefined, problem: undefined, sampling: 0, values: {}, historic: false, before: fixed.last, first: 0, lost: false };
}

/** What names a point over restarts, whatever its node is called by then. */
export function pointKey({ device, tag }: Pick<Point, "device" | "tag">): string {
  return `${device} ${tag}`;
}
