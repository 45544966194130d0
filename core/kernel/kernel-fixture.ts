import * as v from "valibot";
import type { CheckedConfig, CheckedInstance } from "../config/checked.ts";
import { defaultSettings, type GatewaySettings } from "../config/settings.ts";
import { createLog, type LogRecord } from "../log.ts";
import { definePlugin, type AnyPlugin, type PluginContext } from "../plugin.ts";
import { fakeClock, type FakeClock } from "../testkit/fake-clock.ts";
import { createKernel, type Kernel } from "./kernel.ts";

/** A kernel on a fake clock, for the tests of this folder. */
export interface KernelUnderTest {
  readonly kernel: Kernel;
  readonly clock: FakeClock;
  readonly log: LogRecord[];
  /** The state of an instance. */
  state(id: string): string;
}

/** A plugin whose setup is a function; `more` are further parts of its definition. */
export function pluginOf(name: string, setup: (ctx: PluginContext) => unknown, more: Partial<AnyPlugin> = {}): AnyPlugin {
  return definePlugin({ name, description: name, config: v.any(), ...more, setup: setup as (ctx: unknown) => void });
}

/** What a plugin was given for a need. */
export function needOf<T>(ctx: PluginContext, name: string): T {
  return Reflect.get(ctx.needs, name) as T;
}

/** An instance named as its plugin. */
export function instanceOf(plugin: AnyPlugin, more: Partial<CheckedInstance> = {}): CheckedInstance {
  return { id: plugin.name, plugin, required: true, config: {}, source: {}, ...more };
}

/** A config of these instances without routes. */
export function configOf(instances: readonly CheckedInstance[], gateway: Partial<GatewaySettings> = {}): CheckedConfig {
  return { instances, routes: [], gateway: { ...defaultSettings, ...gateway } };
}

/** A kernel that is not started yet. */
export function kernelOf(config: CheckedConfig): KernelUnderTest {
  const clock = fakeClock();
  const log: LogRecord[] = [];
  const kernel = createKernel({ config, clock, log: createLog({ level: "debug", clock, write: (record) => log.push(record) }) });
  return { kernel, clock, log, state: (id) => kernel.gateway.plugins().find((one) => one.id === id)?.state ?? "unknown" };
}

/** Moves the clock on in small steps until something holds; gives up after `limit` ms of its time. */
export async function until(clock: FakeClock, holds: () => boolean, limit: number = 60_000): Promise<void> {
  for (const end = clock.now() + limit; !holds(); ) {
    if (clock.now() >= end) throw new Error(`it does not hold after ${limit} ms: ${String(holds)}`);
    await clock.advance(50);
  }
}
