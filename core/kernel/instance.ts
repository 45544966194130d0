import { resolve } from "node:path";
import type { Bus } from "../bus.ts";
import type { Clock } from "../clock.ts";
import type { CheckedInstance } from "../config/checked.ts";
import { createBus, type BusContext } from "../delivery/create-bus.ts";
import type { Envelope } from "../envelope.ts";
import { BusbarError, errorCode, errorText } from "../errors.ts";
import type { Announcement, InstanceStatus } from "../gateway.ts";
import { admitListeners } from "../listener/exposure.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { PluginContext } from "../plugin.ts";
import { retryDelay } from "../retry.ts";
import { createInstanceClock } from "./instance-clock.ts";
import { steadyAfter, superviseTask } from "./supervise-task.ts";

/** What an instance is set up with. */
export interface InstanceServices {
  readonly bus: BusContext;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Milliseconds a setup may take. */
  readonly setupTimeout: number;
  /** Whether nothing may listen beyond this machine without TLS unless its config allows it. */
  readonly requireTls: boolean;
  /** The folder that relative paths of configs start from. */
  readonly cwd: string;
  /** What stands behind the plugin's needs, by their names. */
  needs(instance: Instance): Record<string, unknown>;
  /** The instance provides these values, by port name; undefined: nothing any more. */
  provided(instance: Instance, values: ReadonlyMap<string, object> | undefined): void;
  /** Runs a function so that errors nobody caught are put down to the instance. */
  within<T>(instance: Instance, run: () => T): T;
}

/** A cleanup or a task that takes longer is given up. */
const stopStepTimeout = 5000;

/** One plugin instance from setup to stop, and over again when it fails. */
export class Instance {
  readonly spec: CheckedInstance;
  readonly log: Log;
  readonly #services: InstanceServices;
  #state: InstanceStatus["state"] = "stopped";
  #reason: string | undefined;
  #restarts = 0;
  #attempt = 0;
  #startedAt = 0;
  #abort = new AbortController();
  #cleanups: (() => void | Promise<void>)[] = [];
  #tasks = new Set<Promise<void>>();
  #addresses: Announcement[] = [];
  #refreshers: (() => Promise<string | undefined>)[] = [];
  #accept: ((message: Envelope) => void | Promise<void>) | undefined;
  #restarting: Promise<void> | undefined;
  /** Gives the setup that runs its time anew. */
  #progress = (): void => {};
  /** Ends for good when the kernel stops the instance. */
  readonly #stopped = new AbortController();

  constructor(spec: CheckedInstance, services: InstanceServices) {
    this.spec = spec;
    this.#services = services;
    this.log = services.log.child({ plugin: spec.id });
  }

  get id(): string {
    return this.spec.id;
  }

  get status(): InstanceStatus {
    const { id, plugin, required } = this.spec;
    return { id, use: plugin.name, state: this.#state, required, restarts: this.#restarts, addresses: [...this.#addresses], ...(this.#reason === undefined ? {} : { reason: this.#reason }) };
  }

  /** Sets the plugin up. What it had opened is closed again when that fails. @throws {BusbarError} saying which plugin and why. */
  async start(): Promise<void> {
    this.#state = "starting";
    try {
      await this.#setup();
      this.#state = "running";
      this.#reason = undefined;
      this.#startedAt = this.#services.clock.now();
    } catch (error) {
      this.#state = "failed";
      this.#reason = errorText(error);
      await this.#unwind();
      throw new BusbarError(errorCode(error), `plugin "${this.id}": ${errorText(error)}`, { cause: error });
    }
  }

  /** Stops the instance for good: abort, tasks awaited, cleanups last in, first out. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#restarting?.catch(() => {});
    await this.#unwind();
    this.#state = "stopped";
  }

  /** Stops the instance and sets it up anew, with growing pauses, until it runs. */
  fail(error: unknown): void {
    if (this.#restarting || this.#stopped.signal.aborted) return;
    if (this.#state === "starting") return this.log.error("error during setup", { error });
    this.log.error("plugin failed, it is restarted", { error });
    this.#reason = errorText(error);
    this.#state = "restarting";
    if (this.#services.clock.now() - this.#startedAt > steadyAfter) this.#attempt = 0;
    this.#restarting = this.#restart().finally(() => (this.#restarting = undefined));
  }

  /** Hands over a message of a route. */
  accept(message: Envelope): void {
    if (!this.#accept) throw new BusbarError("UNAVAILABLE", `Cannot send to plugin "${this.id}": it is not running`);
    Promise.resolve(this.#accept(message)).catch((error: unknown) => this.log.error("plugin refused a message of a route", { topic: message.topic, error }));
  }

  /** Has the plugin look at its files again: what is new, or why they cannot be used, of each that it reads. */
  refresh(): readonly Promise<string | undefined>[] {
    return this.#refreshers.map((handler) => this.#services.within(this, handler));
  }

  async #restart(): Promise<void> {
    const { clock } = this.#services;
    await this.#unwind();
    while (!this.#stopped.signal.aborted) {
      await clock.sleep(retryDelay(this.#attempt++), this.#stopped.signal).catch(() => {});
      if (this.#stopped.signal.aborted) return;
      this.#restarts++;
      try {
        await this.start();
        this.log.info("plugin runs again", { restarts: this.#restarts });
        return;
      } catch (error) {
        this.#state = "restarting";
        this.log.error("plugin cannot be restarted yet", { error });
      }
    }
  }

  async #setup(): Promise<void> {
    this.#abort = new AbortController();
    const { plugin } = this.spec;
    const { clock, setupTimeout } = this.#services;
    let cancel = (): void => {};
    const timeout = new Promise<never>((_resolve, reject) => {
      this.#progress = () => {
        cancel();
        cancel = clock.after(setupTimeout, () => reject(new BusbarError("TIMEOUT", `setup has not finished within ${setupTimeout} ms`)));
      };
    });
    this.#progress();
    try {
      const setup = this.#services.within(this, async () => (await this.#open()) as Record<string, object> | undefined);
      setup.catch(() => {}); // one that fails after its time is up has been reported already
      const provided = await Promise.race([setup, timeout]);
      const values = new Map<string, object>();
      for (const [key, port] of Object.entries((plugin.provides ?? {}) as Record<string, { name: string }>)) {
        const value = provided?.[key];
        if (!value) throw new BusbarError("INTERNAL", `setup returned no "${key}", which the plugin provides`);
        values.set(port.name, value);
      }
      if (values.size > 0) this.#services.provided(this, values);
    } finally {
      this.#progress = () => {};
      cancel();
    }
  }

  #open(): unknown {
    const { plugin, config } = this.spec;
    const context = this.#context(this.#abort.signal);
    if (plugin.listens) admitListeners(plugin.listens(config), context, this.#services.requireTls);
    return plugin.setup(context);
  }

  async #unwind(): Promise<void> {
    this.#abort.abort(new BusbarError("CLOSED", `plugin "${this.id}" stops`));
    this.#accept = undefined;
    this.#refreshers = [];
    this.#addresses = [];
    await this.#limited(Promise.all(this.#tasks), "its tasks");
    for (const cleanup of this.#cleanups.splice(0).reverse()) await this.#clean(cleanup);
    this.#services.provided(this, undefined);
  }

  async #clean(cleanup: () => void | Promise<void>): Promise<void> {
    try {
      await this.#limited(this.#services.within(this, cleanup), "a cleanup");
    } catch (error) {
      this.log.error("cleanup failed", { error });
    }
  }

  /** Waits, but not for ever: one plugin that hangs must not keep the gateway from stopping. */
  async #limited(work: unknown, what: string): Promise<void> {
    if (!(work instanceof Promise)) return;
    let cancel = (): void => {};
    const limit = new Promise<void>((resolve) => {
      cancel = this.#services.clock.after(stopStepTimeout, () => {
        this.log.error(`plugin does not stop: ${what} took more than ${stopStepTimeout} ms`);
        resolve();
      });
    });
    await Promise.race([work, limit]).finally(cancel);
  }

  #context(signal: AbortSignal): PluginContext {
    const { config, plugin } = this.spec;
    const { metrics, cwd } = this.#services;
    const defer = (cleanup: () => void | Promise<void>): void => {
      if (signal.aborted) void this.#clean(cleanup); // setup went on after its time was up
      else this.#cleanups.push(cleanup);
    };
    const clock = createInstanceClock(this.#services.clock, { defer, fail: (error) => this.fail(error) });
    return {
      id: this.id,
      config,
      needs: this.#services.needs(this) as PluginContext["needs"],
      bus: this.#bus(defer),
      log: this.log,
      clock,
      metrics: {
        counter: (...args) => metrics.counter(...args),
        gauge: (...args) => {
          const remove = metrics.gauge(...args);
          defer(remove);
          return remove;
        },
      },
      signal,
      defer,
      run: (task) => this.#run(task, signal, clock),
      progress: () => void (signal.aborted || this.#progress()),
      fail: (error) => signal.aborted || this.fail(error),
      announce: (announcement) => void (signal.aborted || this.#addresses.push(announcement)),
      onRefresh: (handler) => void (signal.aborted || this.#refreshers.push(handler)),
      accept: (handler) => {
        if (!plugin.accepts) throw new TypeError(`Cannot accept messages: plugin "${plugin.name}" does not say that it accepts any`);
        if (!signal.aborted) this.#accept = handler;
      },
      path: (relative) => resolve(cwd, relative),
    };
  }

  /** The instance's bus: its subscriptions end with it. */
  #bus(defer: (cleanup: () => void | Promise<void>) => void): Bus {
    const bus = createBus(this.#services.bus, this.id, this.log);
    const subscribe: Bus["subscribe"] = (...args) => {
      const subscription = bus.subscribe(...args);
      defer(() => subscription.close());
      return subscription;
    };
    const consume: Bus["consume"] = (...args) => {
      const reader = bus.consume(...args);
      defer(() => {
        reader.close();
        return reader.ended; // what the batch that is out works with is torn down after it
      });
      return reader;
    };
    return { ...bus, subscribe, consume };
  }

  #run(task: (signal: AbortSignal) => Promise<void>, signal: AbortSignal, clock: Clock): void {
    const running = superviseTask((until) => this.#services.within(this, () => task(until)), { signal, clock, log: this.log });
    this.#tasks.add(running);
    void running.finally(() => this.#tasks.delete(running));
  }
}
