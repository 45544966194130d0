import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BrokerProcess } from "./broker-process.ts";
import { until } from "./fleet.ts";
import { createLedgerWatch } from "./ledger-watch.ts";
import { openTcpLink, openWsLink } from "./links.ts";
import { createRig, type Rig } from "./rig.ts";
import type { Scenario } from "./scenario.ts";
import { settle, withSinks } from "./settle.ts";
import { sinkSections } from "./sinks.ts";
import { Source } from "./source.ts";
import { Verdict } from "./verdict.ts";
import { WebhookReceiver } from "./webhook-receiver.ts";

const sourceCount = 20;
/** Messages a second, of all sources together: GOALS R2. */
const rate = 500;
/** What the short form makes up for its short time with. */
const shortRate = 1000;
/** An outage that is shorter is one of the short form. */
const long = 60_000;
/** MiB that the gateway may take more during the outage and while it catches up than before: GOALS R2. */
const growthLimit = 50;
/** The same in the short form, which begins before the heap has its size. */
const shortGrowth = 200;

/**
 * Milliseconds of load, and then of an outage, before the one that counts: what the gateway takes to work and to catch up it has then taken. What an hour takes more than a minute is what R2 is about.
 */
const rehearsal = 60_000;

/** Both sinks are down for long while messages come. */
export const outage: Scenario = {
  name: "outage",
  about: "both sinks down for an hour (--minutes) while 20 sources send 500 messages a second; afterwards everything arrives, what is new first, while the gateway's memory stays flat",
  cycles: { short: 1, long: 1 },
  missing: () => (existsSync("/proc/self/status") ? undefined : "there is no /proc to read the memory of a process from"),
  async run({ cycles, runtime, log, outageMs = 60 * 60_000 }) {
    const perSecond = outageMs < long ? shortRate : rate;
    await using rig = await createRig({ runtime, gateway: { dedupeWindow: 100_000 } });
    const sources = await createFleet(rig);
    const ledger = createLedgerWatch(await rig.tokenFor("ledger"));
    const atWebhook = new Verdict(sources, { repeats: true });
    const atBroker = new Verdict(sources, { repeats: true });
    await using webhook = await WebhookReceiver.open(atWebhook);
    await using broker = await BrokerProcess.start({ runtime, file: join(rig.folder, "broker.log"), verdict: atBroker });
    const gateway = rig.start({ plugins: sinkSections({ webhook: webhook.url, broker: broker.url }, { pace: 5000, overtake: outageMs < long ? "1s" : "10s" }) });
    const urls = await gateway.ready;
    await Promise.all(sources.map((source) => source.connect(urls)));
    const memory = watchMemory(gateway.pid);
    const problems: string[] = [];
    const total = (): number => sources.reduce((sum, { sent }) => sum + sent, 0);
    const missing = (): number => (broker.collect(), Math.max(total() - atWebhook.found, total() - atBroker.found));
    const details: Record<string, number | string> = { "messages a second": perSecond };
    const down = async (ms: number): Promise<void> => {
      await broker.kill();
      await webhook.behave("down");
      for (let minute = 1, end = performance.now() + ms; performance.now() < end; minute++) {
        await sleep(Math.min(60_000, end - performance.now()));
        await ledger.check(urls);
        if (minute % 10 === 0) log(`${minute} minutes, ${missing()} messages wait, ${memory.now().toFixed(0)} MiB`);
      }
    };
    const up = async (): Promise<void> => {
      await broker.start("ok");
      await webhook.behave("ok");
    };
    const caughtUp = (most: number): Promise<void> => until(() => missing() <= most, { what: () => `the sinks have everything (${missing()} messages missing)`, within: 120_000 + missing() });
    for (let cycle = 0; cycle < cycles; cycle++) {
      const load = startSteadyLoad(sources, perSecond);
      const cold = memory.take();
      await sleep(Math.min(rehearsal, outageMs / 5));
      if (outageMs >= long) {
        await down(rehearsal);
        await up();
        await caughtUp(perSecond);
      }
      const before = memory.take();
      log(`the sinks go down; the gateway has taken up to ${before.toFixed(0)} MiB so far`);
      await down(outageMs);
      const during = memory.take();
      const backlog = missing();
      await up();
      const back = performance.now();
      log(`the sinks are back; ${backlog} messages wait; the gateway took up to ${during.toFixed(0)} MiB meanwhile`);
      await sleep(Math.min(10_000, outageMs / 5)); // new ones come meanwhile
      load.stop();
      await caughtUp(0).catch((error: Error) => problems.push(error.message));
      const seconds = (performance.now() - back) / 1000;
      const after = memory.take();
      const most = Math.max(during, after);
      if (most - before > (outageMs < long ? shortGrowth : growthLimit)) problems.push(`the gateway's memory grew from ${before.toFixed(0)} to ${most.toFixed(0)} MiB`);
      Object.assign(details, {
        "outage, seconds": (outageMs / 1000).toFixed(0), backlog, "MiB at the start": cold.toFixed(0),
        "MiB before, at most": before.toFixed(0), "MiB during, at most": during.toFixed(0), "MiB after, at most": after.toFixed(0),
        "seconds to catch up": seconds.toFixed(1), "caught up, messages/s": (backlog / seconds).toFixed(0),
      });
    }
    await ledger.check(urls);
    memory.stop();
    for (const source of sources) source.disconnect();
    await gateway.stop();
    const figures = withSinks(await settle({ rig, sources, witnesses: [], ledger }), { webhook: atWebhook, broker: atBroker });
    return {
      cycles,
      ...figures,
      details: { ...figures.details, ...details },
      problems: [...problems, ...figures.problems],
    };
  },
};

/** Twenty devices, half of them on TCP, half on WebSocket; one in ten says events, which are alarms to a sink. */
async function createFleet(rig: Rig): Promise<readonly Source[]> {
  const ids = Array.from({ length: sourceCount }, (_, at) => `load/device-${at + 1}`);
  return await Promise.all(ids.map(async (id, at) => new Source({ id, token: await rig.tokenFor(id), type: at % 10 === 0 ? "event" : "status", qos: 1, open: at % 2 === 0 ? openTcpLink : openWsLink })));
}

/** Sends at an even rate, by the clock, so that a machine that was busy for a moment makes up for it. */
function startSteadyLoad(sources: readonly Source[], perSecond: number): { stop(): void } {
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    for (const due = ((performance.now() - began) / 1000) * perSecond; sent < due; sent++) sources[sent % sources.length]!.load(1);
  }, 10);
  return { stop: () => clearInterval(timer) };
}

/** Looks at the resident memory of a process, in MiB, every second. `take` gives the most since the last time. */
function watchMemory(pid: number): { now(): number; take(): number; stop(): void } {
  const now = (): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) / 1024;
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, now())), 1000);
  return {
    now,
    take() {
      const taken = Math.max(most, now());
      most = 0;
      return taken;
    },
    stop: () => clearInterval(timer),
  };
}
