import { createKernel, createLog, defaultSettings, systemClock } from "@busbar/core";
import type { Bus, Draft } from "@busbar/core";

/** Devices that publish in turn. */
const devices = 1000;
/** Subscriptions whose pattern matches a tenth of the devices each, so that every message has exactly one receiver. */
const receivers = 10;

/** A bus with subscriptions, and a way to send over it. */
export interface RoutingBench {
  /** Publishes `count` messages and returns nanoseconds per message. @throws Error when one did not arrive exactly once. */
  run(count: number): number;
  stop(): Promise<void>;
}

/**
 * Sets up a kernel without plugins and subscribes `subscriptions` times: ten that receive everything between them, the rest patterns of
 * all kinds on which nothing happens. So a message costs the same but for finding its receiver.
 */
export async function createRoutingBench(subscriptions: number): Promise<RoutingBench> {
  const log = createLog({ level: "error", clock: systemClock, write: (record) => process.stderr.write(`${record.message}\n`) });
  const kernel = createKernel({ config: { instances: [], routes: [], gateway: defaultSettings }, log });
  await kernel.start();
  let received = 0;
  for (let i = 0; i < receivers; i++) kernel.bus.subscribe(`status/hall-${i}/+`, () => void received++);
  for (let i = receivers; i < subscriptions; i++) kernel.bus.subscribe(quietPattern(i), () => void received++);
  const drafts: Draft[] = Array.from({ length: devices }, (_, i) => ({
    type: "status",
    from: `hall-${i % receivers}/device-${i}`,
    payload: { temperature: 23.5 },
    msgid: `m-${i}`,
    timestamp: 1_763_700_000_000,
  }));
  return {
    run(count) {
      const before = received;
      const start = performance.now();
      publish(kernel.bus, drafts, count);
      const ns = ((performance.now() - start) * 1e6) / count;
      if (received - before !== count) throw new Error(`Cannot trust the run: ${received - before} of ${count} messages arrived`);
      return ns;
    },
    stop: () => kernel.stop(),
  };
}

/** Whole topics, a wildcard level and a wildcard tail, in equal parts. */
function quietPattern(i: number): string {
  if (i % 3 === 0) return `status/site-${i}/device-${i}`;
  return i % 3 === 1 ? `status/site-${i}/+` : `event/site-${i}/#`;
}

function publish(bus: Bus, drafts: readonly Draft[], count: number): void {
  for (let i = 0; i < count; i++) {
    const draft = drafts[i % drafts.length];
    if (draft !== undefined) bus.publish(draft);
  }
}
