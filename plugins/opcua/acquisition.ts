import type { Bus, Clock, Log, Metrics } from "@busbar/core";
import { DataType, promoteOpaqueStructure, type MonitoredItemNotification } from "node-opcua-client";
import { ClockWatch } from "./clock-watch.ts";
import type { OpcuaConfig } from "./config.ts";
import { GapFiller } from "./gap-filler.ts";
import type { LastTimes } from "./last-times.ts";
import { monitorPoints } from "./monitor-points.ts";
import { pointKey, type Point } from "./point.ts";
import { readAll, startPolling } from "./poll-groups.ts";
import { Readings } from "./readings.ts";
import { Selection } from "./selection.ts";
import type { Outage, ServerLife } from "./server-link.ts";
import type { Resumption, Subscriptions, SubscriptionsOptions } from "./subscriptions.ts";

/** What acquires values. */
export interface AcquisitionOptions {
  readonly config: OpcuaConfig;
  readonly instance: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** What was written before the gateway was stopped. */
  readonly lastTimes: LastTimes | undefined;
  /** Publishes an event of the connection. */
  readonly tell: (payload: Readonly<Record<string, unknown>>) => void;
  /** A device was found that was not known before. */
  readonly onDevice: (id: string) => void;
  /** A report has come. */
  readonly onReport: () => void;
  /** Called with each connection, before values are watched, with what became of the subscriptions. */
  readonly prepare: (life: ServerLife, how: Resumption, subscriptions: Subscriptions) => Promise<void>;
  readonly subscriptions: (handlers: Pick<SubscriptionsOptions, "onValues" | "onMissed">) => Subscriptions;
}

const isStructure = ({ value }: MonitoredItemNotification): boolean => value.value.dataType === DataType.ExtensionObject;

/** Milliseconds: who asks for "as fast as it can" (0) is not told of a server that says how fast that is. */
const leastSampling = 100;
/** Names of tags in a line of the log, at the most. */
const mostNames = 5;

/** Brings the values of all points to the bus: watched and polled ones, what history has of gaps, and that they are bad while there is no connection. */
export class Acquisition {
  readonly selection: Selection;
  readonly #options: AcquisitionOptions;
  readonly #readings: Readings;
  readonly #subscriptions: Subscriptions;
  readonly #gaps: GapFiller;
  readonly #clockWatch: ClockWatch;
  readonly #devices = new Set<string>();
  readonly #skipped: { value: number };
  #life: ServerLife | undefined;
  /** Pending while the structures of a report are being read. */
  #reading: Promise<void> | undefined;

  constructor(options: AcquisitionOptions) {
    const { config, instance, bus, clock, log, metrics, signal, tell, lastTimes } = options;
    const labels = { instance };
    const counter = (name: string, help: string): { value: number } => metrics.counter(`busbar_opcua_${name}_total`, help, labels);
    this.#options = options;
    this.#clockWatch = new ClockWatch({ clock, tell, calm: config.keepAlive * 2 });
    this.#gaps = new GapFiller({ config, clock, log, tell, values: counter("history_values", "Values of the past that were read from the server's history"), readings: () => this.#readings });
    const overflows = counter("overflows", "Times that the queue of a node at the server had been full, so that values were lost there");
    this.#readings = new Readings({
      bus, clock, log, signal, qos: config.qos, retain: config.retain, clockSkew: config.clockSkew,
      published: counter("values", "Values that were published"),
      onClock: (offset) => this.#clockWatch.see(offset),
      onOverflow: (point, range) => {
        overflows.value++;
        if (this.#life !== undefined) this.#gaps.later(this.#life, { point, ...range });
      },
    });
    this.#skipped = counter("polls_skipped", "Rounds of polling that were left out, as the one before had not ended");
    const missed = counter("reports_missed", "Reports of the server that did not arrive and could not be had again");
    this.#subscriptions = options.subscriptions({ onValues: (values) => this.#take(values), onMissed: (reports) => void (missed.value += reports) });
    this.selection = new Selection({ config, instance, log, lastOf: (key) => lastTimes?.points[key] ?? 0 });
    for (const [state, is] of [["good", (point: Point) => !point.lost && point.problem === undefined], ["bad", (point: Point) => point.lost || point.problem !== undefined]] as const) {
      metrics.gauge("busbar_opcua_nodes", "Nodes whose values are published, by whether they can be had", () => this.selection.points.filter(is).length, { ...labels, state });
    }
  }

  /** Tells of the devices that are known before there is a connection: those of the config's nodes, and these. */
  announce(others: readonly string[]): void {
    this.#tellDevices([...this.selection.devices, ...others]);
  }

  /** Takes up a connection: goes on with the subscriptions that the server has kept, or has everything watched anew, and sees to the gap. */
  async begin(life: ServerLife, outage: Outage | undefined): Promise<void> {
    const { log, prepare, tell } = this.#options;
    const { view, connection, signal } = life;
    this.#life = life;
    const how: Resumption = life.sameNamespaces ? await this.#subscriptions.resume(connection.session, connection.kept) : "gone";
    const { points } = this.selection;
    if (how === "gone") {
      for (const point of points) Object.assign(point, { before: point.last, first: 0 });
      this.#subscriptions.begin(connection.session);
      await prepare(life, how, this.#subscriptions);
      const found = await this.selection.find(view, { only: "all", signal });
      await this.#watch(life, found);
    } else {
      await prepare(life, how, this.#subscriptions);
      // the server tells of changes only: whoever heard that all is bad hears now what is
      await readAll(points.filter(({ problem, watching }) => problem === undefined && watching.poll === undefined), { ...this.#way(life) });
    }
    this.#tellDevices(this.selection.devices);
    const failed = points.filter(({ problem }) => problem !== undefined);
    for (const point of failed) this.#readings.addBad(point, point.problem!.startsWith("Bad") ? point.problem! : "BadNodeIdUnknown");
    void this.#readings.flush();
    if (failed.length > 0) log.warn("nodes cannot be had; they are looked for again", { nodes: failed.length, first: failed.slice(0, mostNames).map(({ address, problem }) => `${address}: ${problem}`) });
    startPolling(points.filter(({ watching }) => watching.poll !== undefined), { ...this.#way(life), clock: this.#options.clock, skipped: this.#skipped });
    this.#refresh(life);
    if (outage === undefined) return;
    const gaps = how === "gone" ? this.#gaps.of(points, outage) : [];
    tell({ event: "gap", from: outage.from, to: outage.to, reason: outage.reason, subscriptions: how === "gone" ? "recreated" : how, history: gaps.length, message: `nothing came for ${Math.max(0, (outage.to - outage.from) / 1000).toFixed(1)} s` });
    this.#gaps.now(life, gaps);
  }

  /** Says of every point, once, that it is bad. */
  lose(): void {
    this.#subscriptions.detach();
    this.#life = undefined;
    for (const point of this.selection.points) {
      if (point.lost) continue;
      point.lost = true;
      this.#readings.addBad(point, "BadNoCommunication");
    }
    void this.#readings.flush();
  }

  /** Why a connection that seems to be up is of no use. */
  fault(): string | undefined {
    this.#clockWatch.look();
    return this.#subscriptions.isSilent() ? "the server sends no reports any more" : undefined;
  }

  /** The times to be written, for gaps over a restart. */
  lastTimes(heard: number): LastTimes {
    const { open } = this.#gaps;
    return { at: heard, points: Object.fromEntries(this.selection.points.flatMap((point) => (point.last > 0 ? [[pointKey(point), open.get(point) ?? point.last]] : []))) };
  }

  /** A report with structures waits until their types are known, and those after it wait for it. */
  #take(values: readonly MonitoredItemNotification[]): Promise<void> | undefined {
    this.#options.onReport();
    if (this.#reading === undefined && !values.some(isStructure)) return this.#publish(values);
    const before = this.#reading;
    const session = this.#life?.connection.session;
    const reading = (async () => {
      await before;
      if (session !== undefined) await promoteOpaqueStructure(session, values.map(({ value }) => value)).catch((error: unknown) => this.#options.log.debug("the types of structures could not be read", { error }));
      await this.#publish(values);
    })().finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    return (this.#reading = reading);
  }

  #publish(values: readonly MonitoredItemNotification[]): Promise<void> | undefined {
    const { points } = this.selection;
    for (const { clientHandle, value } of values) {
      const point = points[clientHandle];
      if (point !== undefined) this.#readings.add(point, value);
    }
    return this.#readings.flush();
  }

  async #watch({ view, signal }: ServerLife, points: readonly Point[]): Promise<void> {
    const watched = points.filter(({ watching, problem }) => watching.poll === undefined && problem === undefined);
    const unfiltered = await monitorPoints(this.#subscriptions, watched, { perCall: view.limits.monitor, signal });
    const slower = watched.filter(({ sampling, watching }) => sampling > Math.max(watching.sampling, leastSampling));
    if (slower.length > 0) this.#options.log.warn("the server looks at some nodes less often than asked", { nodes: slower.length, first: slower.slice(0, mostNames).map(({ tag, sampling, watching }) => `${tag}: ${watching.sampling} -> ${sampling} ms`) });
    if (unfiltered.length > 0) this.#options.log.warn("the server takes no deadband for some nodes; every change is reported", { nodes: unfiltered.length, first: unfiltered.slice(0, mostNames).map(({ tag }) => tag) });
  }

  /** Looks again for what is missing, and for what is new below the folders. */
  #refresh(life: ServerLife): void {
    const { clock, config, log } = this.#options;
    if (config.refresh === 0) return;
    let busy = false;
    const look = async (): Promise<void> => {
      const known = this.selection.points.length;
      const found = await this.selection.find(life.view, { only: "missing", signal: life.signal });
      await this.#watch(life, found);
      const fresh = this.selection.points.slice(known).filter(({ watching }) => watching.poll !== undefined);
      startPolling(fresh, { ...this.#way(life), clock, skipped: this.#skipped });
      this.#tellDevices(this.selection.devices);
    };
    const cancel = clock.every(config.refresh, () => {
      if (busy || (config.folders.length === 0 && this.selection.points.every(({ problem }) => problem === undefined))) return;
      busy = true;
      look().catch((error: unknown) => life.signal.aborted || log.warn("nodes could not be looked for", { error })).finally(() => (busy = false));
    });
    life.signal.addEventListener("abort", cancel, { once: true });
  }

  #tellDevices(ids: Iterable<string>): void {
    for (const id of ids) {
      if (this.#devices.has(id)) continue;
      this.#devices.add(id);
      this.#options.onDevice(id);
    }
  }

  #way({ view, signal }: ServerLife) {
    return { view, signal, log: this.#options.log, readings: this.#readings };
  }
}
