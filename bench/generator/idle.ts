import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "./connection.ts";
import { connectPublishers, connectSubscribers } from "./fleet.ts";
import type { Publisher } from "./fleet.ts";
import type { IdleJob, IdleResult } from "./job.ts";
import { createOpenLoop } from "./pace.ts";
import { readUsage } from "./procfs.ts";

/** Lets a server finish what connecting left to do (garbage, timers) before its memory or CPU time is read. */
const settleMs = 500;

/**
 * Connects, lets every connection speak once per period while CPU time is measured, and says what a connection costs. Memory is
 * the growth of the whole process from before the first connection to after the traffic, divided by the connections.
 * @throws Error when the server refuses a connection or closes one.
 */
export async function runIdle(job: IdleJob): Promise<IdleResult> {
  const failure = Promise.withResolvers<never>();
  const events = { failed: (reason: string) => failure.reject(new Error(reason)) };
  let publishers: Publisher[] = [];
  let subscribers: Connection[] = [];
  let delivered = 0;
  const work = async (): Promise<IdleResult> => {
    subscribers = await connectSubscribers(job.subscribe, { count: 1, qos: 0, onMessage: () => delivered++ }, events);
    await sleep(settleMs);
    const empty = readUsage(job.pid);
    const start = performance.now();
    publishers = await connectPublishers(job.publish, { count: job.connections, qos: 0, burst: 1 }, events);
    const connectedMs = performance.now() - start;
    await sleep(settleMs);
    const before = { ...readUsage(job.pid), at: performance.now() };
    const sent = await speak(publishers, job);
    const after = { ...readUsage(job.pid), at: performance.now() };
    await sleep(settleMs);
    return {
      kind: "idle",
      connections: job.connections,
      connectedMs,
      kibPerConnection: (after.rssKib - empty.rssKib) / job.connections,
      cpu: (after.cpuUs - before.cpuUs) / 1000 / (after.at - before.at),
      sent,
      lost: sent - delivered,
    };
  };
  try {
    return await Promise.race([work(), failure.promise]);
  } finally {
    for (const publisher of publishers) publisher?.connection.close();
    for (const subscriber of subscribers) subscriber?.close();
  }
}

/** Sends evenly spread messages for `measureMs`. Returns how many. */
async function speak(publishers: readonly Publisher[], job: IdleJob): Promise<number> {
  const start = performance.now();
  const rate = (publishers.length * 1000) / job.periodMs;
  const pace = createOpenLoop(rate, { publishers: 1, first: 0, start });
  let sent = 0;
  while (performance.now() - start < job.measureMs) {
    const due = pace.due(0, performance.now());
    for (let i = 0; i < due; i++) {
      const publisher = publishers[(sent + i) % publishers.length];
      publisher?.connection.sendBatch(publisher.batch.stamp(publisher.next++, 1, Date.now()));
    }
    pace.sent(0, due, start);
    sent += due;
    await sleep(1);
  }
  return sent;
}
