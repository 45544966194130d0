import { preload, startLoad, until } from "./fleet.ts";
import { createRandom } from "./random.ts";
import { createRig } from "./rig.ts";
import type { Scenario } from "./scenario.ts";
import { createCast, settle } from "./settle.ts";

/** Messages in the journal before the first kill: several pages of a replay. */
const backlog = 5000;

/** The server is killed while subscribers replay. */
export const killReplay: Scenario = {
  name: "kill-replay",
  about: "SIGKILL in the middle of a replay (since) of two subscribers, under load; after the restart they go on where they were",
  cycles: { short: 3, long: 200 },
  async run({ cycles, seed, runtime, log }) {
    const random = createRandom(seed);
    await using rig = await createRig({ runtime });
    const { sources, durable, witnesses, ledger } = await createCast(rig);
    const problems: string[] = [];
    let inReplay = 0;
    for (let cycle = 0; cycle < cycles; cycle++) {
      const gateway = rig.start();
      const urls = await gateway.ready;
      await Promise.all(sources.map((source) => source.connect(urls)));
      if (cycle === 0) await preload(durable, backlog);
      for (const witness of witnesses) if (durable.every(({ id, sent }) => witness.seen(id) >= sent - 2000)) witness.restart();
      const load = startLoad(sources, random);
      const behind = Math.min(...witnesses.map((witness) => durable.reduce((total, { id, sent }) => total + sent - witness.seen(id), 0)));
      const target = random.between(1, Math.max(2, behind));
      const already = witnesses.map(({ deliveries }) => deliveries);
      await Promise.all(witnesses.map((witness) => witness.connect(urls)));
      await until(() => witnesses.some(({ deliveries }, at) => deliveries - already[at]! >= target), { what: () => `a subscriber that has ${behind} messages before it got ${target} of them` });
      load.stop();
      const watching = ledger.check(urls);
      if (random.chance(0.5)) await watching;
      await gateway.kill();
      inReplay += witnesses.filter((witness) => durable.some(({ id, acknowledged }) => witness.seen(id) < acknowledged)).length;
      problems.push(...gateway.errors);
      for (const peer of [...sources, ...witnesses]) peer.disconnect();
      if ((cycle + 1) % 50 === 0) log(`${cycle + 1} of ${cycles} cycles`);
    }
    const figures = await settle({ rig, sources, witnesses, ledger });
    return { cycles, ...figures, details: { ...figures.details, "replays cut off": inReplay }, problems: [...problems.slice(0, 20), ...figures.problems] };
  },
};
