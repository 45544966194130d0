import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BrokerProcess } from "./broker-process.ts";
import { createSources, drained, loadTopics, startLoad, until } from "./fleet.ts";
import { createLedgerWatch } from "./ledger-watch.ts";
import { createRandom } from "./random.ts";
import { createRig, type Sections } from "./rig.ts";
import type { Scenario } from "./scenario.ts";
import { settle, withSinks } from "./settle.ts";
import { Verdict } from "./verdict.ts";
import { WebhookReceiver } from "./webhook-receiver.ts";

/** What goes wrong in a cycle: with the gateway itself, with the broker, or with the receiver of webhooks. */
const faults = ["gateway-kill", "broker-kill", "broker-mute", "broker-cut", "500", "429", "hang", "reset", "down"] as const;

/** What the log says of sinks that fail, and may. */
const expected = /reader|webhook|mqtt|broker/i;

/** Gateway and sinks are killed and misbehave by turns while messages are passed on. */
export const sinks: Scenario = {
  name: "sinks",
  about: "while messages are passed on: SIGKILL of the gateway and of the broker, a broker that never acknowledges or disconnects every 300 ms or 3 s, a webhook that answers 500, 429 with Retry-After, hangs, breaks off or is not there",
  cycles: { short: 9, long: 450 },
  async run({ cycles, seed, runtime, log }) {
    const random = createRandom(seed);
    await using rig = await createRig({ runtime });
    const sources = await createSources(rig);
    const durable = sources.filter(({ qos }) => qos > 0);
    const ledger = createLedgerWatch(await rig.tokenFor("ledger"));
    const atWebhook = new Verdict(sources, { repeats: true });
    const atBroker = new Verdict(sources, { repeats: true });
    await using webhook = await WebhookReceiver.open(atWebhook);
    await using broker = await BrokerProcess.start({ runtime, file: join(rig.folder, "broker.log"), verdict: atBroker });
    const plugins = sinkSections({ webhook: webhook.url, broker: broker.url });
    const problems: string[] = [];
    let gateway = rig.start({ plugins });
    await connectAll();
    for (let cycle = 0; cycle < cycles; cycle++) {
      const fault = faults[cycle % faults.length]!;
      const load = startLoad(sources, random);
      await sleep(random.between(20, 200));
      switch (fault) {
        case "gateway-kill":
          await gateway.kill();
          note();
          for (const source of sources) source.disconnect();
          gateway = rig.start({ plugins });
          await connectAll();
          break;
        case "broker-kill":
        case "broker-mute":
        case "broker-cut":
          await broker.kill();
          if (fault === "broker-mute") await broker.start("mute");
          if (fault === "broker-cut") {
            const seldom = cycles > 100 && random.chance(0.1);
            await broker.start(seldom ? "cut-3000" : "cut-300");
            if (seldom) await sleep(6000);
          }
          await sleep(random.between(100, fault === "broker-kill" ? 500 : 1200));
          await broker.kill();
          await broker.start("ok");
          break;
        default:
          await webhook.behave(fault);
          await sleep(random.between(100, 800));
          await webhook.behave("ok");
      }
      await sleep(random.between(20, 200));
      load.stop();
      broker.collect();
      await ledger.check(await gateway.ready);
      if ((cycle + 1) % 50 === 0) log(`${cycle + 1} of ${cycles} cycles`);
    }
    await drained(durable);
    const missing = (): readonly number[] => [atWebhook, atBroker].map((verdict) => durable.reduce((total, { sent }) => total + sent, 0) - verdict.found);
    await until(() => (broker.collect(), missing().every((count) => count === 0)), { what: () => `the sinks have everything (${missing().join(" and ")} missing)`, within: 180_000 }).catch((error: Error) => problems.push(error.message));
    await gateway.stop();
    note();
    for (const source of sources) source.disconnect();
    const figures = withSinks(await settle({ rig, sources, witnesses: [], ledger }), { webhook: atWebhook, broker: atBroker });
    return {
      cycles,
      ...figures,
      details: { ...figures.details, "webhook: requests": webhook.requests },
      problems: [...problems.slice(0, 20), ...figures.problems],
    };

    async function connectAll(): Promise<void> {
      const urls = await gateway.ready;
      await Promise.all(sources.map((source) => source.connect(urls)));
    }

    function note(): void {
      problems.push(...gateway.errors.filter((line) => !expected.test(line)));
    }
  },
};

/** The sections of both sinks, impatient ones: a test waits for each of their pauses. */
export function sinkSections(urls: { readonly webhook: string; readonly broker: string }, more: object = { pace: 0, overtake: "1s" }): Sections {
  return {
    webhook: { use: "http/webhook", url: urls.webhook, topics: [loadTopics], batch: { linger: "20ms" }, timeout: "500ms", start: "oldest", ...more },
    mqtt: { url: urls.broker, out: [{ topics: [loadTopics], format: "envelope" }], ackTimeout: "1s", reconnect: { min: "50ms", max: "500ms" }, start: "oldest", ...more },
  };
}
