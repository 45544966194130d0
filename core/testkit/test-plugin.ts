import * as v from "valibot";
import type { Authority } from "../authority.ts";
import type { Bus } from "../bus.ts";
import { systemClock, type Clock } from "../clock.ts";
import type { CheckedConfig, CheckedInstance } from "../config/checked.ts";
import { defaultSettings, type GatewaySettings } from "../config/settings.ts";
import type { InstanceStatus } from "../gateway.ts";
import { createKernel, type Kernel } from "../kernel/kernel.ts";
import { createLog, type LogRecord } from "../log.ts";
import { definePlugin, type AnyPlugin } from "../plugin.ts";
import { AuthorityPort } from "../ports.ts";
import { openAuthority } from "./open-authority.ts";
import { sumMetrics } from "./sum-metrics.ts";

/** What surrounds the plugin under test. */
export interface TestPluginOptions {
  /** Other plugins and their configs, by instance id. */
  readonly plugins?: Readonly<Record<string, readonly [plugin: AnyPlugin, config: unknown]>>;
  /** Default: `openAuthority()`, unless one of the plugins provides an authority. */
  readonly authority?: Authority;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** The folder that relative paths start from. Default: the working directory. */
  readonly cwd?: string;
  /** Kernel settings that differ from the default. */
  readonly gateway?: Partial<GatewaySettings>;
}

/** A gateway that runs the plugin under test. */
export interface TestGateway extends AsyncDisposable {
  readonly kernel: Kernel;
  /** May do everything. */
  readonly bus: Bus;
  /** Every line of the log, from debug on. */
  readonly log: readonly LogRecord[];
  /** The URLs that the plugin under test announced. */
  readonly urls: readonly string[];
  status(id?: string): InstanceStatus;
  /** The value of a counter or gauge, as PromQL selects it: `busbar_dropped_total{reason="loop"}` is the sum of all series that have this label among theirs. 0 when there is none. */
  metric(series: string): number;
  /** Resolves with the first message from now on that matches; rejects after 20 s. */
  next(pattern: string): Promise<import("../envelope.ts").Envelope>;
  /** Reloads the config as it is: plugins look at their files again. */
  reload(): ReturnType<Kernel["reload"]>;
  stop(): Promise<void>;
}

/**
 * Starts a real kernel around one plugin, under the id `subject`. `config` is what a user would write: it goes through the plugin's schema.
 * Stop it at the end of the test, or declare it with `await using`.
 *
 * @throws {v.ValiError} when the config does not fit; {BusbarError} when setup fails.
 */
export async function testPlugin(plugin: AnyPlugin, config: unknown, options: TestPluginOptions = {}): Promise<TestGateway> {
  const instances: CheckedInstance[] = [check("subject", plugin, config)];
  for (const [id, [other, section]] of Object.entries(options.plugins ?? {})) instances.push(check(id, other, section));
  if (!instances.some((one) => Object.values(one.plugin.provides ?? {}).includes(AuthorityPort))) instances.push(check("authority", authorityPlugin(options.authority ?? openAuthority()), {}));
  const log: LogRecord[] = [];
  const clock = options.clock ?? systemClock;
  const checked: CheckedConfig = { instances, routes: [], gateway: { ...defaultSettings, ...options.gateway } };
  const kernel = createKernel({
    config: checked,
    log: createLog({ level: "debug", clock, write: (record) => log.push(record) }),
    clock,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  await kernel.start();
  const status = (id = "subject"): InstanceStatus => kernel.gateway.plugins().find((one) => one.id === id)!;
  return {
    kernel,
    bus: kernel.bus,
    log,
    urls: status().addresses.map((address) => address.url),
    status,
    metric: (selector) => sumMetrics(kernel.gateway.metrics(), selector),
    next(pattern) {
      return new Promise((resolve, reject) => {
        const cancel = systemClock.after(20_000, () => {
          subscription.close();
          reject(new Error(`no message on ${pattern} within 20 s`));
        });
        const subscription = kernel.bus.subscribe(pattern, (message) => {
          cancel();
          subscription.close();
          resolve(message);
        });
      });
    },
    reload: () => kernel.reload(checked),
    stop: () => kernel.stop(),
    [Symbol.asyncDispose]: () => kernel.stop(),
  };
}

function check(id: string, plugin: AnyPlugin, config: unknown): CheckedInstance {
  return { id, plugin, required: true, config: v.parse(plugin.config, config), source: config };
}

/** A plugin that provides an authority that exists already. */
function authorityPlugin(authority: Authority): AnyPlugin {
  return definePlugin({ name: "test-authority", description: "An authority for tests", config: v.strictObject({}), provides: { authority: AuthorityPort }, setup: () => ({ authority }) });
}
