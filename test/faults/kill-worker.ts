import { setTimeout as sleep } from "node:timers/promises";
import { drained, startLoad, until } from "./fleet.ts";
import { faultySection } from "./faulty-section.ts";
import { createRandom } from "./random.ts";
import { createRig } from "./rig.ts";
import type { Scenario } from "./scenario.ts";
import { createCast, settle } from "./settle.ts";

/** What the log says of such a death, and has to. */
const expected = /plugin failed, it is restarted|journal refuses messages|cannot store readings|audit entry is lost/;

/** The thread of the database dies while it works on an append; the gateway lives on. */
export const killWorker: Scenario = {
  name: "kill-worker",
  about: "the thread of the database is ended in the middle of an append, under load; the gateway refuses with OVERLOAD, the storage is restarted, the sources send again what was refused",
  cycles: { short: 3, long: 200 },
  async run({ cycles, seed, runtime, log }) {
    const random = createRandom(seed);
    await using rig = await createRig({ runtime });
    const { sources, durable, witnesses, ledger } = await createCast(rig);
    const problems: string[] = [];
    let deaths = 0;
    for (let cycle = 0; cycle < cycles; cycle++) {
      const gateway = rig.start({ plugins: { "storage-sqlite": faultySection({ step: "worker", at: random.between(5, 60) }) } });
      const urls = await gateway.ready;
      await Promise.all([...sources, ...witnesses].map((peer) => peer.connect(urls)));
      const load = startLoad(sources, random);
      const died = (): boolean => gateway.errors.some((line) => line.includes("plugin failed"));
      await until(died, { what: () => "the thread has died" });
      await ledger.check(urls);
      await sleep(random.between(0, 100));
      load.stop();
      if (random.chance(0.5)) await drained(durable); // else the gateway is killed before it has recovered, or while it does
      await ledger.check(urls);
      await gateway.kill();
      deaths += gateway.errors.filter((line) => line.includes("plugin failed")).length;
      problems.push(...gateway.errors.filter((line) => !expected.test(line)));
      for (const peer of [...sources, ...witnesses]) peer.disconnect();
      if ((cycle + 1) % 50 === 0) log(`${cycle + 1} of ${cycles} cycles`);
    }
    const figures = await settle({ rig, sources, witnesses, ledger });
    const retries = sources.reduce((total, source) => total + source.retries, 0);
    return { cycles, ...figures, details: { ...figures.details, "threads ended": deaths, "sent again after OVERLOAD": retries }, problems: [...problems.slice(0, 20), ...figures.problems] };
  },
};
