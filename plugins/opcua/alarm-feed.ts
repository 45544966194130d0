import type { Bus, Log } from "@busbar/core";
import { StatusCodes, type Variant } from "node-opcua-client";
import { Alarms } from "./alarms.ts";
import type { OpcuaConfig } from "./config.ts";
import { monitorEvents } from "./monitor-events.ts";
import { parseNodeAddress } from "./node-id.ts";
import { resolveNodes } from "./resolve-nodes.ts";
import type { ServerLife } from "./server-link.ts";
import type { Resumption, Subscriptions } from "./subscriptions.ts";

/** What brings alarms to the bus. */
export interface AlarmFeedOptions {
  readonly config: OpcuaConfig;
  readonly bus: Bus;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Which device a source of events is, by its name. */
  readonly deviceOf: (source: string) => string;
}

/** Client handles of event items begin here: those of points are below. */
const firstHandle = 2 ** 30;

/** Subscribes to the events of the config's sources and publishes what they tell as `event/<device>`, of qos 1. */
export class AlarmFeed {
  readonly alarms: Alarms;
  readonly #options: AlarmFeedOptions;
  #life: ServerLife | undefined;
  /** Subscriptions with event items. */
  #ids: readonly number[] = [];

  constructor(options: AlarmFeedOptions) {
    const { bus, config, deviceOf, log, signal } = options;
    this.#options = options;
    this.alarms = new Alarms({
      severity: config.alarms.severity,
      notices: config.alarms.events,
      publish: ({ payload, timestamp }) => {
        bus.deliver({ type: "event", from: deviceOf(String(payload["source"])), timestamp: timestamp !== undefined && timestamp > 0 ? timestamp : undefined, payload, qos: 1 })
          .catch((error: unknown) => signal.aborted || log.error("an alarm could not be delivered", { alarm: payload["alarm"], error }));
      },
      onRefreshRequired: () => void this.#refresh(),
    });
  }

  /** Subscribes, where the subscriptions of the connection before are gone, and has the server tell of all conditions. @throws {Error} of the client library when it does not answer. */
  async begin(life: ServerLife, how: Resumption, subscriptions: Subscriptions): Promise<void> {
    const { config: { alarms: { sources } }, log } = this.#options;
    if (sources.length === 0) return;
    this.#life = life;
    const { signal, view } = life;
    if (how === "gone") {
      const found = await resolveNodes(view, sources.map(parseNodeAddress), { signal });
      const nodes = found.flatMap((one, at) => ("nodeId" in one ? [{ nodeId: one.nodeId, at }] : []));
      for (const [at, one] of found.entries()) if ("problem" in one) log.warn("a source of events is not there", { source: sources[at], reason: one.problem });
      const results = await monitorEvents(nodes.map(({ nodeId, at }) => ({ nodeId, handle: firstHandle + at })), { alarms: this.alarms, monitor: (items) => subscriptions.monitor(items, { perCall: view.limits.monitor, signal }) });
      for (const [at, { statusCode }] of results.entries()) if (!statusCode.isGoodish()) log.warn("a source of events cannot be subscribed to", { source: sources[nodes[at]!.at], reason: statusCode.name });
      this.#ids = subscriptions.ids; // values come after, so these are the ones
    }
    await this.#refresh();
  }

  /** Takes an event: the handle of its item and the fields that it selects. */
  take(handle: number, fields: readonly Variant[]): void {
    if (this.#life !== undefined) this.alarms.take(handle, fields, this.#life.view.namespaces);
  }

  async #refresh(): Promise<void> {
    const life = this.#life;
    if (life === undefined || life.signal.aborted) return;
    try {
      const refused = await this.alarms.refresh(life.view, this.#ids, { signal: life.signal });
      const [first] = refused.filter((status) => !noConditions.has(status.name));
      if (first !== undefined) this.#options.log.warn("the server does not tell which alarms there are", { reason: first.name });
    } catch (error) {
      if (!life.signal.aborted) this.#options.log.warn("the server could not be asked which alarms there are", { error });
    }
  }
}

/** What a server says that has events but no conditions. */
const noConditions: ReadonlySet<string> = new Set([StatusCodes.BadNodeIdUnknown.name, StatusCodes.BadMethodInvalid.name, StatusCodes.BadNodeIdInvalid.name, StatusCodes.BadServiceUnsupported.name]);
