import { AsyncLocalStorage } from "node:async_hooks";
import { AuditTrail } from "../audit/audit-trail.ts";
import type { Authority } from "../authority.ts";
import type { Bus } from "../bus.ts";
import { systemClock, type Clock } from "../clock.ts";
import type { CheckedConfig } from "../config/checked.ts";
import { changedKeys } from "../config/changed-keys.ts";
import { diffConfig } from "../config/diff.ts";
import type { LoadedConfig } from "../config/load.ts";
import { CommandTracker } from "../delivery/command-tracker.ts";
import { createBus, type BusContext } from "../delivery/create-bus.ts";
import { gatewayId } from "../topic.ts";
import { PostOffice } from "../delivery/post-office.ts";
import { BusbarError, errorText } from "../errors.ts";
import type { Gateway } from "../gateway.ts";
import type { Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import { ledgerImbalance } from "../ledger.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { MetricsRegistry } from "../metrics.ts";
import { AuditFeedPort, AuditPort, AuthorityPort, CommandsPort, CursorsPort, DeadLettersPort, GatewayPort, JournalPort, SessionsPort, SignedPort, type OptionalPort, type Port } from "../ports.ts";
import { SessionRegistry } from "../session/session-registry.ts";
import { SignedMessages } from "../session/signed/signed-messages.ts";
import { closedAuthority } from "./closed-authority.ts";
import { flowOf } from "./flow.ts";
import { followCommands, tellSender } from "./follow-commands.ts";
import { Instance, type InstanceServices } from "./instance.ts";
import { missingPlugins } from "./missing-plugins.ts";
import { neededPorts, orderInstances, providedPorts } from "./order.ts";
import { PortSlot } from "./port-slot.ts";
import { refreshInstances } from "./refresh.ts";
import { checkSameJournal, Reloader } from "./reloader.ts";
import { Routes } from "./routes.ts";
import { shutDown } from "./shut-down.ts";

/** What a kernel is made of. */
export interface KernelOptions {
  readonly config: CheckedConfig;
  readonly log: Log;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** The folder that relative paths of plugin configs start from. Default: the working directory. */
  readonly cwd?: string;
  /** Reads the config again, for `gateway.reload()`. */
  readonly readConfig?: () => Promise<LoadedConfig>;
}

/** A gateway: runs the plugins of one config. */
export interface Kernel {
  /**
   * Sets up every plugin, in order of their needs, then opens the bus.
   * @throws {BusbarError} when a required plugin cannot be set up; everything is then closed again.
   */
  start(): Promise<void>;
  /** Ends sessions with 1001, stops the plugins, flushes the journal. Resolves within `shutdownTimeout`, whatever hangs. */
  stop(): Promise<void>;
  /**
   * Restarts the instances that changed, and has the others look at their files again. When files cannot be used, or a new instance cannot be set up, the old ones run on, and the error is
   * thrown. Sessions of plugins that did not change stay connected. `refreshed`: what was new in files, a line each.
   */
  reload(config: CheckedConfig): Promise<{ readonly added: readonly string[]; readonly removed: readonly string[]; readonly changed: readonly string[]; readonly refreshed: readonly string[] }>;
  /** Puts an error that nobody caught down to a plugin, which is then restarted. Returns false when it is nobody's. */
  uncaught(error: unknown): boolean;
  /** The kernel's own bus, in the name of `gateway`. */
  readonly bus: Bus;
  readonly gateway: Gateway;
}

/** Makes a kernel for a checked config. Nothing runs before `start`. */
export function createKernel(options: KernelOptions): Kernel {
  return new GatewayKernel(options);
}

/** Whether a plugin takes the entries of the audit log. */
const takesAudit = ({ instances }: CheckedConfig): boolean => instances.some(({ plugin }) => neededPorts(plugin).has(AuditFeedPort.name));

class GatewayKernel implements Kernel {
  readonly bus: Bus;
  readonly gateway: Gateway;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics = new MetricsRegistry();
  readonly #office: PostOffice;
  readonly #commands: CommandTracker;
  readonly #sessions: SessionRegistry;
  readonly #audit: AuditTrail;
  readonly #signed: SignedMessages;
  readonly #services: InstanceServices;
  readonly #slots = new Map<string, PortSlot>();
  readonly #own: ReadonlyMap<string, object>;
  readonly #running = new AsyncLocalStorage<Instance>();
  readonly #instances = new Map<string, Instance>();
  readonly #reloader: Reloader;
  readonly #routes: Routes;
  #config: CheckedConfig;
  #stops: (() => void)[] = [];
  #stopped: Promise<void> | undefined;
  #state: "new" | "running" | "stopping" | "stopped" = "new";

  constructor(options: KernelOptions) {
    this.#config = options.config;
    this.#log = options.log;
    const clock = (this.#clock = options.clock ?? systemClock);
    const log = options.log;
    const { gateway } = options.config;
    const metrics = this.#metrics;
    this.#commands = new CommandTracker({ clock, ttl: gateway.commandTtl, limit: gateway.commandLimit, perDevice: gateway.commandsPerDevice, tell: (command, answer) => tellSender(command, answer, { office: this.#office, log }) });
    this.#office = new PostOffice({ clock, log, metrics, highWater: gateway.journalHighWater, batch: gateway.journalBatch, dedupeWindow: gateway.dedupeWindow, retainedLimit: gateway.retainedLimit, commands: this.#commands, companion: (batch) => this.#signed.companion(batch) });
    const authority = (): Authority => (this.#slot(AuthorityPort.name).filled ? (this.#slot(AuthorityPort.name).proxy as Authority) : closedAuthority);
    const context: BusContext = { office: this.#office, authority, commands: this.#commands, heard: (command, origin) => this.#audit.heard(command, origin) };
    metrics.gauge("busbar_commands_open", "Commands that are not done, failed or expired", () => this.#commands.openCount);
    this.#audit = new AuditTrail({ office: this.#office, clock, log, metrics });
    this.#signed = new SignedMessages({ ...gateway, office: this.#office, authority, clock, log, metrics });
    this.#sessions = new SessionRegistry({ office: this.#office, authority, commands: this.#commands, audit: this.#audit, signed: this.#signed, clock, log, metrics, presenceGrace: gateway.presenceGrace, settings: gateway });
    metrics.gauge("busbar_ledger_imbalance", "What the ledger has lost track of, of all its accounts; 0 unless there is a fault", () => ledgerImbalance(metrics.series("busbar_ledger_imbalance")));
    this.bus = createBus(context, gatewayId);
    this.#routes = new Routes({ ...gateway, office: this.#office, clock, log, metrics, busOf: (id) => createBus(context, id, log), accept: (id, message) => this.#instances.get(id)!.accept(message) });
    this.#reloader = new Reloader({ read: options.readConfig, running: () => this.#config, run: (config) => this.reload(config), log });
    this.gateway = this.#describe();
    this.#own = new Map<string, object>([[SessionsPort.name, this.#sessions], [SignedPort.name, this.#signed], [CommandsPort.name, this.#commands], [CursorsPort.name, this.#office.cursors], [DeadLettersPort.name, this.#office.deadLetters], [GatewayPort.name, this.gateway], [AuditFeedPort.name, this.#audit.feed]]);
    this.#services = {
      bus: context, clock, log, metrics,
      setupTimeout: gateway.setupTimeout, requireTls: gateway.requireTls,
      cwd: options.cwd ?? ".",
      needs: (instance) => this.#needs(instance),
      provided: (instance, values) => this.#provided(instance, values),
      within: (instance, run) => this.#running.run(instance, run),
    };
  }

  async start(): Promise<void> {
    if (this.#state !== "new") throw new TypeError(`Cannot start the kernel: it is ${this.#state}`);
    this.#state = "running";
    try {
      this.#audit.kept = takesAudit(this.#config);
      for (const spec of orderInstances(this.#config.instances)) this.#instances.set(spec.id, new Instance(spec, this.#services));
      await this.#startAll([...this.#instances.values()]);
      await this.#open();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    this.#state = "stopping";
    for (const stop of this.#stops.splice(0)) stop();
    const sessions = this.#sessions.stop();
    this.#routes.close();
    this.#audit.flush();
    if (this.#office.journal) this.#audit.write("stopped", {});
    await shutDown([...this.#instances.values()], { office: this.#office, clock: this.#clock, log: this.#log, sessions, timeout: this.#config.gateway.shutdownTimeout });
    this.#state = "stopped";
  }

  async reload(config: CheckedConfig): ReturnType<Kernel["reload"]> {
    if (this.#state !== "running") throw new TypeError(`Cannot reload the config: the kernel is ${this.#state}`);
    const { added, removed, changed, kept } = diffConfig(this.#config, config);
    const ordered = orderInstances(config.instances);
    checkSameJournal(this.#config, config);
    const refreshed = await refreshInstances(kept.map((id) => this.#instances.get(id)!));
    const old = new Map(this.#instances);
    const leaving = [...removed, ...changed];
    for (const id of [...leaving].reverse()) await old.get(id)?.stop();
    const fresh = ordered.filter((spec) => added.includes(spec.id) || changed.includes(spec.id)).map((spec) => new Instance(spec, this.#services));
    try {
      await this.#startAll(fresh);
    } catch (error) {
      for (const instance of fresh.reverse()) await instance.stop();
      for (const id of leaving) {
        const again = new Instance(old.get(id)!.spec, this.#services);
        this.#instances.set(id, again);
        await again.start().catch((cause: unknown) => again.fail(cause));
      }
      this.#audit.write("config-refused", { added, removed, changed, keys: changedKeys(this.#config, config), reason: errorText(error) });
      throw error;
    }
    for (const id of removed) this.#instances.delete(id);
    for (const instance of fresh) this.#instances.set(instance.id, instance);
    const keys = changedKeys(this.#config, config);
    this.#config = config;
    this.#routes.change(config.routes);
    this.#audit.kept = takesAudit(config);
    this.#audit.write("config-changed", { added, removed, changed, keys });
    return { added, removed, changed, refreshed };
  }

  uncaught(error: unknown): boolean {
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    // Deno keeps no async context for timers: there the file that threw tells whose it is.
    const instance = this.#running.getStore() ?? [...this.#instances.values()].find((one) => new RegExp(`[/\\\\](busbar-plugin-)?${one.spec.plugin.name}[/\\\\.]`).test(stack));
    instance?.fail(error);
    return instance !== undefined;
  }

  /** Sets up the instances, each as soon as what it needs is there, all independent ones side by side. */
  async #startAll(instances: readonly Instance[]): Promise<void> {
    const started = new Map<string, Promise<void>>();
    for (const instance of instances) {
      const needed = neededPorts(instance.spec.plugin);
      const before = instances.filter((one) => providedPorts(one.spec.plugin).some((port) => needed.has(port)));
      started.set(instance.id, Promise.all(before.map((one) => started.get(one.id))).then(() => this.#startOne(instance)));
    }
    const results = await Promise.allSettled(started.values());
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #startOne(instance: Instance): Promise<void> {
    if (this.#state !== "running") throw new BusbarError("CLOSED", `Cannot start plugin "${instance.id}": the gateway stops`);
    try {
      await instance.start();
    } catch (error) {
      if (instance.spec.required) throw error;
      instance.fail(error);
    }
  }

  async #open(): Promise<void> {
    const slot = this.#slots.get(JournalPort.name);
    const { gateway } = this.#config;
    const durable = slot?.filled === true;
    if (!durable) this.#slot(JournalPort.name).fill(createMemoryJournal({ limit: gateway.memoryJournalLimit }));
    const journal = this.#slot(JournalPort.name).proxy as Journal;
    this.#stops.push(await followCommands({ commands: this.#commands, office: this.#office, sessions: this.#sessions, audit: this.#audit, journal, clock: this.#clock, log: this.#log }));
    this.#stops.push(await this.#signed.open(journal, { durable }));
    await this.#office.open(journal, () => this.#routes.open(this.#config.routes, { durable }));
    this.#audit.write("started", { config: this.#config.file, plugins: [...this.#instances.keys()] });
    this.#sessions.start();
  }

  #needs(instance: Instance): Record<string, unknown> {
    const needs = (instance.spec.plugin.needs ?? {}) as Record<string, Port<unknown> | OptionalPort<unknown>>;
    return Object.fromEntries(
      Object.entries(needs).map(([key, need]) => {
        const port = "optional" in need ? need.optional : need;
        const own = port.name === AuditPort.name ? this.#audit.of(instance.id) : this.#own.get(port.name);
        if (own) return [key, own];
        const slot = this.#slot(port.name);
        const provided = this.#config.instances.some((one) => providedPorts(one.plugin).includes(port.name));
        if (!slot.filled && !provided && "optional" in need) return [key, undefined];
        return [key, slot.proxy];
      }),
    );
  }

  #provided(instance: Instance, values: ReadonlyMap<string, object> | undefined): void {
    this.#office.checkJournal(values?.get(JournalPort.name) as Journal | undefined);
    if (values) for (const [port, value] of values) this.#slot(port).fill(value);
    else for (const port of providedPorts(instance.spec.plugin)) this.#slot(port).empty();
    if (values?.has(AuthorityPort.name)) this.#sessions.authorityChanged();
  }

  #slot(name: string): PortSlot {
    let slot = this.#slots.get(name);
    if (!slot) this.#slots.set(name, (slot = new PortSlot(name)));
    return slot;
  }

  #describe(): Gateway {
    return {
      started: this.#clock.now(),
      plugins: () => [...this.#instances.values()].map((instance) => instance.status),
      flow: () => flowOf(this.#config),
      metrics: () => this.#metrics.format(),
      reload: (planned) => this.#reloader.reload(planned),
      lastReload: () => this.#reloader.last,
      notReady: () => {
        const missing = missingPlugins([...this.#instances.values()].map((instance) => instance.status));
        if (this.#office.refusal) missing.push(`the journal refuses messages: ${this.#office.refusal.error.message}`);
        if (this.#state !== "running") missing.push(`the gateway is ${this.#state}`);
        return missing.length > 0 ? missing : undefined;
      },
    };
  }
}
