import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { faultySection } from "./faulty-section.ts";
import { createSources, loadTopics, preload, startLoad, until } from "./fleet.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import { createLedgerWatch } from "./ledger-watch.ts";
import { createRandom } from "./random.ts";
import { readRecording } from "./recorder.ts";
import { createRig } from "./rig.ts";
import type { Scenario } from "./scenario.ts";
import { settle } from "./settle.ts";
import type { Source } from "./source.ts";
import { Verdict } from "./verdict.ts";

/** A journal that is soon over its size, and looked at as often as the config allows. */
const limits = { journal: { size: "1MiB" }, retentionInterval: "100ms" };
/** Messages that bring it there before the first kill. */
const full = 6000;
/** Retention steps before the one that is cut off, at the most. */
const steps = 15;

/** The server is killed while retention removes entries, under load and with a durable reader that is behind. */
export const killRetention: Scenario = {
  name: "kill-retention",
  about: "SIGKILL 0 to 4 ms into a step of the journal's retention, under load; a durable reader that lags must get everything all the same",
  cycles: { short: 3, long: 200 },
  async run({ cycles, seed, runtime, log }) {
    const random = createRandom(seed);
    const recording = { use: fileURLToPath(new URL("./recorder.ts", import.meta.url)), file: "received.jsonl", topics: [loadTopics], pause: "10ms" };
    await using rig = await createRig({ runtime, plugins: { "storage-sqlite": { file: "data/busbar.db", ...limits }, recorder: recording } });
    const sources = await createSources(rig);
    const ledger = createLedgerWatch(await rig.tokenFor("ledger"));
    const problems: string[] = [];
    let reached = 0;
    const filling = rig.start();
    await Promise.all(sources.map(async (source) => source.connect(await filling.ready)));
    await preload(sources.filter(({ qos }) => qos > 0), full);
    for (const source of sources) source.disconnect();
    await filling.kill();
    for (let cycle = 0; cycle < cycles; cycle++) {
      const gateway = rig.start({ plugins: { "storage-sqlite": faultySection({ step: "retention", at: random.between(1, steps), delay: random.between(0, 4) }, limits) } });
      const urls = await gateway.ready.catch(() => undefined); // the first step comes at the start
      if (urls !== undefined) {
        await Promise.all(sources.map((source) => source.connect(urls)));
        const load = startLoad(sources, random);
        void ledger.check(urls);
        const over = new AbortController();
        if (await Promise.race([gateway.ended.then(() => true), sleep(20_000, false, { signal: over.signal }).catch(() => false)])) reached++;
        over.abort();
        load.stop();
      } else reached++;
      await gateway.kill();
      problems.push(...gateway.errors);
      for (const source of sources) source.disconnect();
      if ((cycle + 1) % 50 === 0) log(`${cycle + 1} of ${cycles} cycles`);
    }
    if (reached < cycles) problems.push(`${cycles - reached} of ${cycles} moments were not reached`);
    await handOver(rig.start(), { file: join(rig.folder, recording.file), sources });
    const figures = await settle({ rig, sources, witnesses: [], ledger, pruned: true });
    const reader = new Verdict(sources);
    const { entries, repeated } = readRecording(join(rig.folder, recording.file));
    for (const entry of entries) reader.take(entry);
    const counts = reader.finish();
    const removed = counts.found - figures.found;
    if (cycles > 3 && removed <= 0) problems.push("retention removed nothing");
    return {
      cycles,
      ...counts,
      lost: counts.lost + figures.lost,
      doubled: counts.doubled + figures.doubled,
      reordered: counts.reordered + figures.reordered,
      details: { ...figures.details, "removed by retention": removed, "handed over again": repeated },
      problems: [...problems.slice(0, 20), ...reader.problems, ...figures.problems],
    };
  },
};

/** Lets a gateway without a fault hand the reader what is left, and stops it. */
async function handOver(gateway: GatewayProcess, { file, sources }: { readonly file: string; readonly sources: readonly Source[] }): Promise<void> {
  const urls = await gateway.ready;
  await Promise.all(sources.map((source) => source.connect(urls)));
  const durable = sources.filter(({ qos }) => qos > 0);
  const missing = (): number => durable.reduce((total, { sent }) => total + sent, 0) - readRecording(file).entries.filter(({ from }) => durable.some(({ id }) => id === from)).length;
  for (const end = performance.now() + 60_000; missing() > 0 && performance.now() < end; ) await sleep(300);
  await until(() => missing() <= 0, { what: () => `the reader has everything (${missing()} to come)`, within: 1000 });
  for (const source of sources) source.disconnect();
  await gateway.stop();
}
