import { dirname } from "node:path";
import type { Audit, AuditAction } from "../../audit.ts";
import { codeFolders } from "../../config/permissions/code-folders.ts";
import { fillIn } from "../../config/permissions/template.ts";
import { formatAddress, resolvePermissions } from "../../config/permissions/permissions.ts";
import { BusbarError } from "../../errors.ts";
import { hasPermittedWorkers } from "../../host.ts";
import type { Journal } from "../../journal.ts";
import type { LogLevel } from "../../log.ts";
import type { PluginContext } from "../../plugin.ts";
import { decodeBatch, type BorderMessage } from "./batch.ts";
import { unpackError } from "./border-error.ts";
import { packEnvelope } from "./border-envelope.ts";
import { BusBridge } from "./bus-bridge.ts";
import type { Container } from "./container.ts";
import type { IsolateSpec } from "./isolate-spec.ts";
import { Link } from "./link.ts";
import { MetricsBridge } from "./metrics-bridge.ts";
import type { IsolateTask } from "./run-isolate.ts";
import { fieldsOf, shortText, wholeNumber } from "./said.ts";
import { SessionBridge } from "./session-bridge.ts";
import { startContainer } from "./start-container.ts";
import { Watchdog } from "./watchdog.ts";
import { windowSize } from "./window.ts";

/** What is handled as soon as it arrives, whatever waits: the rest goes in its order. */
const urgent: ReadonlySet<unknown> = new Set(["beat", "log", "counted", "gauges", "progress", "done"]);
/** What counts against the window of an isolate. */
const counted: ReadonlySet<unknown> = new Set(["publish", "deliver", "request", "frame"]);
/** Messages that are handled before other work of the gateway gets its turn. */
const turn = 128;
/** Messages that may wait: an isolate that keeps to its window has fewer that count against it, one that does not is ended. Of the others as many, before it is not listened to for a while. */
const backlog = 2 * windowSize.messages;
const levels: ReadonlySet<unknown> = new Set<LogLevel>(["debug", "info", "warn", "error"]);
/** Entries of the audit log that are a plugin's to write. */
const sayable: ReadonlySet<string> = new Set<AuditAction>(["write-refused", "certificate-changed"]);
/** Milliseconds that stopping in order may take, less than the kernel gives a cleanup. */
const stopTimeout = 4500;

/** One run of a plugin in an isolate: the gateway's end of everything it does. */
export class Isolate {
  readonly #ctx: PluginContext;
  readonly #link: Link;
  readonly #bus: BusBridge;
  readonly #sessions: SessionBridge | undefined;
  readonly #metrics: MetricsBridge;
  readonly #container: Container;
  readonly #watchdog: Watchdog;
  readonly #audit: Audit | undefined;
  readonly #refreshes = new Map<number, PromiseWithResolvers<string | undefined>>();
  #nextRefresh = 0;
  readonly #ready = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  #queue: BorderMessage[] = [];
  #next = 0;
  /** Messages that count against the window and have not been taken. */
  #inside = 0;
  #draining = false;
  #held = false;
  #over = false;
  #isReady = false;

  /** Makes the isolate and tells it what to run. `code`: the folders its code is in. @throws when it cannot be started. */
  constructor(ctx: PluginContext, spec: IsolateSpec, code: readonly string[]) {
    this.#ctx = ctx;
    const { settings, package: from } = spec;
    const needs = spec.needs(ctx);
    const permissions = resolvePermissions(from.manifest, ctx.config, ctx.path("."));
    ctx.log.info("runs in an isolate", { net: permissions.net.map((one) => `${one.action}:${formatAddress(one)}`), read: permissions.read, write: permissions.write, env: permissions.env });
    if (from.manifest.threads && !hasPermittedWorkers()) ctx.log.warn("it may start threads, which this runtime does not hold to its permissions");
    this.#container = startContainer({
      permissions,
      code,
      threads: from.manifest.threads,
      memory: settings.memory,
      onBatch: (batch) => this.#take(batch),
      onEnd: (reason, kind) => this.#fault(reason, kind),
    });
    const link = (this.#link = new Link(this.#container));
    const refused = ctx.metrics.counter("busbar_isolate_refused_total", "What isolates asked for and may not do", { instance: ctx.id });
    const onRefused = (what: string): void => {
      refused.value++;
      ctx.log.warn("refused what the isolate asked for", { what });
    };
    this.#bus = new BusBridge({ id: ctx.id, bus: ctx.bus, link, from: from.manifest.from.flatMap((entry) => fillIn(entry, ctx.config)), onRefused });
    this.#sessions = needs.sessions && new SessionBridge({ sessions: needs.sessions, link, config: ctx.config, onRefused });
    this.#metrics = new MetricsBridge(ctx.metrics);
    this.#watchdog = new Watchdog({ clock: ctx.clock, container: this.#container, ...settings, deaf: () => this.#held, onFault: (reason, kind) => this.#fault(reason, kind) });
    this.#ready.promise.catch(() => {});
    this.#audit = needs.audit;
    const ports = Object.entries(needs).flatMap(([name, value]) => (value === undefined ? [] : [name]));
    link.send(["start", { id: ctx.id, file: from.file, source: spec.source, cwd: ctx.path("."), logLevel: "debug", env: permissions.env, ports } satisfies IsolateTask]);
    if (needs.journal) this.#tellEpoch(needs.journal);
    ctx.clock.every(500, () => this.#sessions?.report());
    ctx.onRefresh(() => this.#refresh());
    if (spec.accepts) ctx.accept((message) => link.send(["accept", message.received], packEnvelope(message)));
  }

  /** Resolves when the plugin has been set up. @throws what its setup threw, or why the isolate ended. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Stops the plugin in order, or ends it where it does not stop. */
  async stop(): Promise<void> {
    if (!this.#over) {
      this.#link.send(["stop"]);
      let cancel = (): void => {};
      const limit = new Promise<void>((resolve) => (cancel = later(stopTimeout, resolve)));
      await Promise.race([this.#stopped.promise, limit]);
      cancel();
    }
    await this.#end();
  }

  /** It is gone, or to go: nothing of it is left behind. */
  async #end(): Promise<void> {
    this.#over = true;
    this.#watchdog.close();
    this.#link.close();
    this.#bus.end();
    this.#sessions?.end();
    for (const { reject } of this.#refreshes.values()) reject(new BusbarError("UNAVAILABLE", "its isolate is gone"));
    this.#stopped.resolve();
    await this.#container.kill();
  }

  #fault(reason: string, kind: "crash" | "memory" | "malformed" | "stalled"): void {
    if (this.#over) return;
    if (kind === "crash") this.#hearOut();
    if (this.#over) return;
    const { metrics, id } = this.#ctx;
    metrics.counter("busbar_isolate_restarts_total", "Isolates that were ended, or ended by themselves, and are started anew", { instance: id, reason: kind }).value++;
    const error = new BusbarError("UNAVAILABLE", `the isolate ended: ${reason}`);
    this.#over = true;
    this.#ready.reject(error);
    void this.#end();
    if (this.#isReady) this.#ctx.fail(error);
  }

  /** What it had said before it crashed still counts. */
  #hearOut(): void {
    const rest = this.#queue.splice(this.#next).filter(({ head }) => counted.has(head[0]) || head[0] === "batch-done");
    try {
      for (const message of rest) this.#handle(message);
    } catch {
      return; // it has ended already
    }
  }

  #take(batch: Uint8Array): void {
    if (this.#over) return;
    for (const message of decodeBatch(batch)) {
      if (urgent.has(message.head[0])) this.#handle(message);
      else this.#queue.push(message);
      if (counted.has(message.head[0])) this.#inside++;
    }
    const waiting = this.#queue.length - this.#next;
    if (this.#inside > backlog || waiting > 8 * backlog) return this.#fault(`it floods the gateway: ${waiting} messages wait`, "malformed");
    if (waiting > backlog && !this.#held) {
      this.#held = true;
      this.#container.pause();
    }
    if (!this.#draining && waiting > 0) void this.#drain();
  }

  /** Handles what waits, a turn at a time, and no faster than the journal takes it. */
  async #drain(): Promise<void> {
    this.#draining = true;
    try {
      while (this.#next < this.#queue.length && !this.#over) {
        let messages = 0;
        let bytes = 0;
        for (let count = 0; count < turn && this.#next < this.#queue.length && !this.#over; count++) {
          const message = this.#queue[this.#next++]!;
          if (counted.has(message.head[0])) {
            messages++;
            bytes += message.body.length;
          }
          this.#handle(message);
        }
        if (this.#next === this.#queue.length) {
          this.#queue = [];
          this.#next = 0;
        }
        if (this.#bus.pressed) await this.#ctx.bus.ready(this.#ctx.signal).catch(() => {});
        else await new Promise<void>((resolve) => setImmediate(resolve));
        this.#inside -= messages;
        if (messages > 0) this.#link.send(["taken", messages, bytes]);
        if (this.#held && this.#queue.length - this.#next < backlog / 2) {
          this.#held = false;
          this.#container.resume();
        }
      }
    } catch (error) {
      this.#fault(error instanceof Error ? error.message : String(error), "malformed");
    } finally {
      this.#draining = false;
    }
  }

  /** @throws {SyntaxError} when it makes no sense. */
  #handle({ head, body }: BorderMessage): void {
    const { log } = this.#ctx;
    switch (head[0]) {
      case "beat":
        return this.#watchdog.sign(wholeNumber(head[1], "its memory"));
      case "log": {
        const level = levels.has(head[1]) ? (head[1] as LogLevel) : "info";
        const fields = fieldsOf(head[3], "the fields of its log");
        return log[level](String(head[2]).slice(0, 2000), JSON.stringify(fields).length > 8000 ? {} : fields);
      }
      case "counted":
        return this.#metrics.add(head[1]);
      case "gauges":
        return this.#metrics.set(head[1]);
      case "progress":
        return this.#ctx.progress();
      case "announce": {
        const { what, url } = fieldsOf(head[1], "what it announces");
        return this.#ctx.announce({ what: shortText(what, "what it announces", 200), url: shortText(url, "where it is", 500) });
      }
      case "ready":
        this.#isReady = true;
        return this.#ready.resolve();
      case "failed":
        return this.#ready.reject(unpackError(head[1]));
      case "fail":
        return this.#fault(unpackError(head[1]).message, "crash");
      case "crashed":
        return this.#fault(unpackError(head[1]).message, "crash");
      case "audit":
        return this.#write(shortText(head[1], "an action", 40), fieldsOf(head[2], "the fields of an entry"));
      case "refreshed": {
        const refresh = this.#refreshes.get(wholeNumber(head[1], "a refresh"));
        if (typeof head[2] === "string") refresh?.resolve(head[2].slice(0, 1000) || undefined);
        else refresh?.reject(unpackError(head[3]));
        return;
      }
      case "stopped":
        return this.#stopped.resolve();
      default:
        if (this.#bus.take(head, body) || this.#sessions?.take(head, body)) return;
        throw new SyntaxError(`Cannot read what the isolate says: ${JSON.stringify(String(head[0]).slice(0, 40))} is unknown`);
    }
  }

  /** Puts into the audit log what a plugin may say there. */
  #write(action: string, fields: Readonly<Record<string, unknown>>): void {
    if (!sayable.has(action)) throw new SyntaxError(`Cannot read what the isolate says: an entry ${JSON.stringify(action)} of the audit log is not its to write`);
    this.#audit?.write(action as Parameters<Audit["write"]>[0], fields as Parameters<Audit["write"]>[1]);
  }

  /** Lets the plugin look again at its files. @throws what it throws; UNAVAILABLE when its isolate ends first. */
  async #refresh(): Promise<string | undefined> {
    const id = ++this.#nextRefresh;
    const refresh = Promise.withResolvers<string | undefined>();
    this.#refreshes.set(id, refresh);
    this.#link.send(["refresh", id]);
    try {
      return await refresh.promise;
    } finally {
      this.#refreshes.delete(id);
    }
  }

  /** The journal's epoch is known when the bus opens, which is after setup. */
  #tellEpoch(journal: Pick<Journal, "epoch">): void {
    const cancel = this.#ctx.clock.every(20, () => {
      let epoch: unknown;
      try {
        epoch = journal.epoch;
      } catch {
        return; // its plugin is not set up yet, or restarts
      }
      if (typeof epoch !== "string") return;
      cancel();
      this.#link.send(["epoch", epoch]);
    });
  }
}

/** Runs a plugin in an isolate as long as the context lives. @throws when it cannot be set up. */
export async function runIsolated(ctx: PluginContext, spec: IsolateSpec): Promise<void> {
  const { folder, file } = spec.package;
  const isolate = new Isolate(ctx, spec, await codeFolders([folder ?? dirname(file)]));
  ctx.defer(() => isolate.stop());
  await isolate.ready;
}

/** The clock of an instance ends with its first cleanup: stopping an isolate wants one that goes on. */
function later(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}
