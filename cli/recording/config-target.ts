import process from "node:process";
import { BusbarError, createKernel, JournalPort, type CheckedConfig, type Envelope, type Log } from "@busbar/core";
import type { RecordedMessage } from "./recording-file.ts";
import type { ReplayOutcome, ReplayTarget } from "./replay-target.ts";

/** How a config under test is run. */
export interface ConfigTargetOptions {
  readonly log: Log;
  /** Ids of instances that are left out. */
  readonly without: readonly string[];
  /** Milliseconds of silence after which everything is taken to have come out. */
  readonly settle: number;
  /** Hears each message that came out: all that passed except what was played in, what the gateway says about itself, and the audit log. */
  readonly heard: (message: Envelope, received: number) => void;
}

/** A config that runs in this process, for as long as a recording is played into it. */
export interface ConfigTarget extends ReplayTarget {
  /** The ids of the instances that run. */
  readonly runs: readonly string[];
}

/**
 * Runs a config as a test bench: listeners take any free port, and the plugin that provides the journal is left out, so that nothing is written where the real gateway keeps its data.
 * @throws {BusbarError} CONFIG when `without` names no instance or leaves out what another one needs; else as Kernel.start.
 */
export async function openConfigTarget(config: CheckedConfig, { log, without, settle, heard }: ConfigTargetOptions): Promise<ConfigTarget> {
  const unknown = without.find((id) => !config.instances.some((one) => one.id === id));
  if (unknown !== undefined) throw new BusbarError("CONFIG", `Cannot leave out "${unknown}": the config has no such instance`);
  const keepsJournal = (one: CheckedConfig["instances"][number]): boolean => Object.values(one.plugin.provides ?? {}).includes(JournalPort);
  const instances = config.instances.filter((one) => !without.includes(one.id) && !keepsJournal(one)).map((one) => ({ ...one, config: withFreePorts(one.config) }));
  const routes = config.routes;
  const kernel = createKernel({ config: { ...config, instances, routes }, log, cwd: process.cwd() });
  await kernel.start();
  const played = new Set<string>();
  const refused = new Map<string, number>();
  let sent = 0;
  let acknowledged = 0;
  let last = performance.now();
  const pending = new Set<Promise<void>>();
  kernel.bus.subscribe("#", (message) => {
    last = performance.now();
    const key = `${message.from}\0${message.msgid}`;
    if (played.delete(key) || message.type === "audit") return;
    heard(message, message.received);
  });
  return {
    runs: instances.map(({ id }) => id),
    async send({ msgid, timestamp, from, to, type, payload, qos, retain }: RecordedMessage) {
      const draft = { msgid, timestamp, from, to, type, payload, qos, retain };
      played.add(`${from}\0${msgid}`);
      sent++;
      const refuse = (error: unknown): void => {
        const code = error instanceof BusbarError ? error.code : "INTERNAL";
        refused.set(code, (refused.get(code) ?? 0) + 1);
      };
      try {
        if (qos === 0) {
          if (!kernel.bus.publish(draft)) await kernel.bus.ready(new AbortController().signal);
          return;
        }
        const delivery = kernel.bus.deliver(draft).then(() => void acknowledged++, refuse);
        pending.add(delivery);
        void delivery.finally(() => pending.delete(delivery));
        if (pending.size >= 1000) await Promise.race(pending);
      } catch (error) {
        refuse(error);
      }
    },
    async finish(): Promise<ReplayOutcome> {
      await Promise.all(pending);
      last = performance.now();
      while (performance.now() - last < settle) await new Promise((resolve) => setTimeout(resolve, Math.max(1, settle - (performance.now() - last))));
      await kernel.stop();
      return { sent, acknowledged, refused };
    },
  };
}

/** The same config with every `port` 0: the bench must not stand where the real gateway listens. */
function withFreePorts(config: unknown): unknown {
  if (typeof config !== "object" || config === null || Array.isArray(config)) return config;
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, key === "port" && typeof value === "number" ? 0 : Object.getPrototypeOf(value ?? 0) === Object.prototype ? withFreePorts(value) : value]));
}
