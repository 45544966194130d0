import process from "node:process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import type { Audit } from "../../audit.ts";
import { systemClock } from "../../clock.ts";
import { neededPorts } from "../../config/check-needs.ts";
import { pluginFault } from "../../config/plugin-fault.ts";
import { defaultSettings } from "../../config/settings.ts";
import { Door } from "../../listener/door.ts";
import { BusbarError } from "../../errors.ts";
import { createLog, type LogLevel } from "../../log.ts";
import type { AnyPlugin, PluginContext } from "../../plugin.ts";
import { superviseTask } from "../supervise-task.ts";
import { decodeBatch, type BorderMessage } from "./batch.ts";
import { unpackDelivered } from "./border-envelope.ts";
import { packError } from "./border-error.ts";
import { describePlugin, type DescribeRequest } from "./describe-plugin.ts";
import { IsolateBus } from "./isolate-bus.ts";
import { IsolateMetrics } from "./isolate-metrics.ts";
import { IsolateSessions } from "./isolate-sessions.ts";
import { Link, type Carrier } from "./link.ts";
import { Window } from "./window.ts";

/** What an isolate is told to run. */
export interface IsolateTask {
  readonly id: string;
  /** The module of the plugin, an absolute path. */
  readonly file: string;
  /** The section of the config, before the plugin's schema made anything of it. */
  readonly source: unknown;
  /** The folder that relative paths of the config start from. */
  readonly cwd: string;
  readonly logLevel: LogLevel;
  /** Names of the environment variables that it may know. */
  readonly env: readonly string[];
  /** Names of the ports that it needs, may have, and that are there. */
  readonly ports: readonly string[];
}

/** Milliseconds between two signs of life, and after a stop until a cleanup is given up. */
const beat = 500;
const cleanupTimeout = 3000;

/** The inside of an isolate: waits for what the gateway says, runs the one plugin that it names, and carries what that does across. */
export function runIsolate(carrier: Carrier): { take(batch: Uint8Array): void; crashed(error: unknown): void } {
  const link = new Link(carrier);
  let plugin: RunningPlugin | undefined;
  const handle = (message: BorderMessage): void => {
    const [kind, value] = message.head;
    if (kind === "describe") {
      keepVariables([]);
      void describePlugin(value as DescribeRequest).then((description) => {
        link.send(["described", description]);
        link.flush();
      }, (error: unknown) => {
        link.send(["failed", packError(error)]);
        link.flush();
      });
    } else if (kind === "start") {
      keepVariables((value as IsolateTask).env);
      plugin = new RunningPlugin(value as IsolateTask, link);
      void plugin.start();
    } else plugin?.take(message);
  };
  return {
    take: (batch) => {
      for (const message of decodeBatch(batch)) handle(message);
    },
    crashed: (error) => {
      link.send(["crashed", packError(error)]);
      link.flush();
    },
  };
}

/** Leaves these variables in `process.env`: libraries look for many that nobody sets, and are to find nothing there rather than an error. */
function keepVariables(names: readonly string[]): void {
  process.env = Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

class RunningPlugin {
  readonly #task: IsolateTask;
  readonly #link: Link;
  readonly #window: Window;
  readonly #bus: IsolateBus;
  readonly #sessions: IsolateSessions;
  readonly #metrics = new IsolateMetrics();
  readonly #abort = new AbortController();
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #log;
  readonly #refreshers: (() => Promise<string | undefined>)[] = [];
  #epoch: string | undefined;
  #accept: Parameters<PluginContext["accept"]>[0] | undefined;

  constructor(task: IsolateTask, link: Link) {
    this.#task = task;
    this.#link = link;
    this.#window = new Window(link);
    this.#log = createLog({ clock: systemClock, level: task.logLevel, write: ({ level, message, fields }) => link.send(["log", level, message, fields]) });
    this.#bus = new IsolateBus(link, { window: this.#window, log: this.#log });
    this.#sessions = new IsolateSessions(link, { window: this.#window, door: new Door({ settings: defaultSettings, clock: systemClock, log: this.#log, metrics: this.#metrics }) });
  }

  async start(): Promise<void> {
    setInterval(() => this.#beat(), beat);
    setInterval(() => this.#sessions.report(), 50);
    try {
      const { default: plugin } = (await import(pathToFileURL(this.#task.file).href)) as { readonly default: AnyPlugin };
      const fault = pluginFault(plugin);
      if (fault !== undefined) throw new BusbarError("CONFIG", `Cannot run ${this.#task.file}: its default export is no plugin, ${fault}`);
      await plugin.setup(this.#context(plugin, v.parse(plugin.config, this.#task.source)));
      this.#beat();
      this.#link.send(["ready"]);
    } catch (error) {
      this.#link.send(["failed", packError(error)]);
      this.#link.flush();
    }
  }

  take(message: BorderMessage): void {
    const { head, body } = message;
    switch (head[0]) {
      case "taken":
        return this.#window.taken(head[1] as number, head[2] as number);
      case "epoch":
        this.#epoch = head[1] as string;
        return;
      case "accept":
        return this.#take(body, head[1] as number);
      case "refresh":
        return void this.#refresh(head[1] as number);
      case "stop":
        return void this.#stop();
      default:
        if (!this.#bus.take(message)) this.#sessions.take(message);
    }
  }

  #take(body: Uint8Array, received: number): void {
    const message = unpackDelivered(body, received);
    const handler = this.#accept;
    if (handler === undefined) return;
    (async () => await handler(message))().catch((error: unknown) => this.#log.error("plugin refused a message of a route", { topic: message.topic, error }));
  }

  async #refresh(id: number): Promise<void> {
    try {
      const found = [];
      for (const refresh of this.#refreshers) found.push(await refresh());
      this.#link.send(["refreshed", id, found.filter((one) => one !== undefined).join("; ")]);
    } catch (error) {
      this.#link.send(["refreshed", id, null, packError(error)]);
    }
  }

  #beat(): void {
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    this.#link.send(["beat", heapUsed + Math.max(external, arrayBuffers)]);
    const [added, values] = [this.#metrics.added(), this.#metrics.values()];
    if (added.length > 0) this.#link.send(["counted", added]);
    this.#link.send(["gauges", values]);
  }

  async #stop(): Promise<void> {
    this.#abort.abort(new BusbarError("CLOSED", `plugin "${this.#task.id}" stops`));
    const limited = (work: unknown): Promise<unknown> => Promise.race([work, systemClock.sleep(cleanupTimeout)]);
    await limited(Promise.all(this.#tasks));
    for (const cleanup of this.#cleanups.splice(0).reverse()) {
      try {
        await limited(cleanup());
      } catch (error) {
        this.#log.error("cleanup failed", { error });
      }
    }
    this.#beat();
    this.#link.send(["stopped"]);
    this.#link.flush();
  }

  #context(plugin: AnyPlugin, config: unknown): PluginContext {
    const link = this.#link;
    const { signal } = this.#abort;
    const defer: PluginContext["defer"] = (cleanup) => void this.#cleanups.push(cleanup);
    return {
      id: this.#task.id,
      config,
      needs: this.#needs(plugin) as PluginContext["needs"],
      bus: this.#bus,
      log: this.#log,
      clock: systemClock,
      metrics: this.#metrics,
      signal,
      defer,
      run: (task) => {
        const running = superviseTask(task, { signal, clock: systemClock, log: this.#log });
        this.#tasks.add(running);
        void running.finally(() => this.#tasks.delete(running));
      },
      progress: () => link.send(["progress"]),
      fail: (error) => link.send(["fail", packError(error)]),
      announce: (announcement) => link.send(["announce", announcement]),
      onRefresh: (handler) => void this.#refreshers.push(handler),
      accept: (handler) => {
        if (!plugin.accepts) throw new TypeError(`Cannot accept messages: plugin "${plugin.name}" does not say that it accepts any`);
        this.#accept = handler;
      },
      path: (relative) => resolve(this.#task.cwd, relative),
    };
  }

  /** What crosses the border: sessions, the audit log, and of the journal its epoch. */
  #needs(plugin: AnyPlugin): Readonly<Record<string, unknown>> {
    const epoch = (): string => this.#epoch as string;
    const journal = new Proxy({}, {
      get: (_target, name) => {
        if (name === "epoch") return epoch();
        if (name === "then" || typeof name === "symbol") return undefined;
        throw new TypeError(`Cannot use journal.${name}: of the journal, a plugin in an isolate knows the epoch only`);
      },
    });
    const audit: Audit = { write: (action, fields) => this.#link.send(["audit", action, fields]) };
    const known: Readonly<Record<string, unknown>> = { sessions: this.#sessions, journal, audit };
    const keys = Object.keys((plugin.needs ?? {}) as object);
    return Object.fromEntries(neededPorts(plugin).map(({ port }, at) => [keys[at]!, this.#task.ports.includes(port) ? known[port] : undefined]));
  }
}

