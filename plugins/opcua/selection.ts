import type { Log } from "@busbar/core";
import { StatusCode } from "node-opcua-client";
import { browseTree } from "./browse.ts";
import type { OpcuaConfig } from "./config.ts";
import { nameVariable, pathTest } from "./folder-names.ts";
import { formatNodeId, parseNodeAddress } from "./node-id.ts";
import { createPoint, pointKey, watchingOf, type Point } from "./point.ts";
import { resolveNodes } from "./resolve-nodes.ts";
import type { ServerView } from "./server-view.ts";
import { readVariables, type VariableInfo } from "./variable.ts";

/** What a selection is made of. */
export interface SelectionOptions {
  readonly config: OpcuaConfig;
  readonly instance: string;
  readonly log: Log;
  /** The time of the last value before the gateway was stopped, by `pointKey`; 0 where there is none. */
  readonly lastOf: (key: string) => number;
}

/** Nodes that are looked at for each variable that is wanted: objects and methods lie between, and some variables are left out. */
const nodesPerVariable = 4;

/**
 * The points of one connection: those of `nodes`, which are there from the start, and those that are found below `folders`. A point stays what it is over connections; where its node
 * is called otherwise by then (a server that numbers its namespaces anew) it is found again by its address or its path.
 */
export class Selection {
  /** In the order of their handles. */
  readonly points: Point[] = [];
  readonly #options: SelectionOptions;
  readonly #byKey = new Map<string, Point>();

  constructor(options: SelectionOptions) {
    this.#options = options;
    const { config, instance } = options;
    for (const entry of config.nodes) this.#add({ device: entry.device ?? config.device ?? instance, tag: entry.tag, address: entry.node, watching: watchingOf(entry, config), fixedUnit: entry.unit });
  }

  /** The ids under which something is published, or may be. */
  get devices(): ReadonlySet<string> {
    return new Set(this.points.map(({ device }) => device));
  }

  /** The point of a tag. */
  get(device: string, tag: string): Point | undefined {
    return this.#byKey.get(pointKey({ device, tag }));
  }

  /**
   * Finds the nodes of all points, or only those that have a problem, and looks into the folders. Fills in `nodeId`, `unit`, `values`, `historic` and `problem`. Returns the points whose
   * nodes were found now.
   * @throws {Error} of the client library when the server does not answer.
   */
  async find(view: ServerView, { only, signal }: { readonly only: "all" | "missing"; readonly signal: AbortSignal }): Promise<Point[]> {
    const found = await this.#browse(view, signal);
    const wanted = this.points.filter((point) => only === "all" || point.nodeId === undefined || point.problem !== undefined);
    const fixed = wanted.filter((point) => !found.has(point));
    const resolved = await resolveNodes(view, fixed.map(({ address }) => parseNodeAddress(address)), { signal });
    const ready: Point[] = [];
    const known = fixed.flatMap((point, at) => {
      const answer = resolved[at]!;
      if ("nodeId" in answer) return [{ point, nodeId: answer.nodeId }];
      forget(point, answer.problem);
      return [];
    });
    const infos = await readVariables(view, known.map(({ nodeId }) => nodeId), { signal });
    for (const [at, { point }] of known.entries()) {
      const info = infos[at]!;
      if (info instanceof StatusCode) forget(point, info.name);
      else ready.push(take(point, info, view));
    }
    for (const point of wanted) {
      const info = found.get(point);
      if (info !== undefined) ready.push(take(point, info, view));
    }
    return ready;
  }

  #add(fixed: Omit<Parameters<typeof createPoint>[0], "handle" | "last">): Point {
    const key = pointKey(fixed);
    const point = createPoint({ ...fixed, handle: this.points.length, last: this.#options.lastOf(key) });
    this.points.push(point);
    this.#byKey.set(key, point);
    return point;
  }

  /** What lies below the folders now, by point; new ones are added. */
  async #browse(view: ServerView, signal: AbortSignal): Promise<ReadonlyMap<Point, VariableInfo>> {
    const { config, instance, log } = this.#options;
    const found = new Map<Point, VariableInfo>();
    const taken: string[] = [];
    const starts = await resolveNodes(view, config.folders.map(({ under }) => parseNodeAddress(under)), { signal });
    for (const [at, entry] of config.folders.entries()) {
      const start = starts[at]!;
      if ("problem" in start) {
        log.warn("a folder is not there; it is looked for again", { under: entry.under, reason: start.problem });
        continue;
      }
      const { nodes, cut } = await browseTree(view, start.nodeId, { depth: entry.depth, limit: entry.limit * nodesPerVariable, signal });
      const [included, excluded] = [entry.include.length === 0 ? () => true : pathTest(entry.include), pathTest(entry.exclude)];
      let left = entry.limit;
      for (const { steps, variable, nodeId } of nodes) {
        const levels = steps.map(({ name }) => name);
        const path = levels.join("/");
        if (variable === undefined || !variable.readable || !included(path) || excluded(path) || left-- <= 0) continue;
        const name = nameVariable(levels, { instance: config.device ?? instance, device: entry.device, tag: entry.tag });
        const point = this.#byKey.get(pointKey(name)) ?? this.#add({ ...name, address: formatNodeId(nodeId, view.namespaces), watching: watchingOf(entry, config), fixedUnit: undefined });
        if (point.handle < config.nodes.length) continue; // a node that the config names is watched as it says
        if (found.has(point)) taken.push(`${name.device} ${name.tag}`);
        else found.set(point, variable);
      }
      if (left < 0 || cut !== undefined) log.warn(`a folder has more than its ${cut === "depth" ? "depth" : "limit"} allows`, { under: entry.under, limit: entry.limit, depth: entry.depth });
    }
    if (taken.length > 0) log.warn("variables are left out, as others have their tag already; say device and tag of the folder so that they differ", { variables: taken.length, first: taken.slice(0, 5) });
    return found;
  }
}

function forget(point: Point, problem: string): void {
  point.nodeId = undefined;
  point.problem = problem;
}

function take(point: Point, info: VariableInfo, { namespaces }: ServerView): Point {
  point.nodeId = info.nodeId;
  point.unit = point.fixedUnit ?? info.unit;
  point.values = { namespaces, enumeration: info.enumeration };
  point.historic = info.history && point.watching.history;
  point.problem = info.readable ? undefined : "BadNotReadable";
  return point;
}
