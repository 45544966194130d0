import { setTimeout as sleep } from "node:timers/promises";
import { checkRetained, startLoad } from "./fleet.ts";
import { createRandom } from "./random.ts";
import { createRig } from "./rig.ts";
import type { Scenario } from "./scenario.ts";
import { createCast, settle } from "./settle.ts";

/** One cycle in so many ends while the gateway is still starting. */
const startKills = 10;
/** Milliseconds of load before the kill, at the most. */
const loadTime = 200;

/** The server is killed at random moments, while it starts and under load. */
export const killServer: Scenario = {
  name: "kill-server",
  about: "SIGKILL at a random moment of the start or within 200 ms of load from six sources over TCP, WebSocket and HTTP, with two subscribers that resume",
  cycles: { short: 6, long: 1000 },
  async run({ cycles, seed, runtime, log }) {
    const random = createRandom(seed);
    await using rig = await createRig({ runtime });
    const { sources, witnesses, ledger } = await createCast(rig);
    const peers = [...sources, ...witnesses];
    const problems: string[] = [];
    const began = performance.now();
    let replays = 0;
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const gateway = rig.start();
      if (random.between(1, startKills) === 1) await Promise.race([sleep(random.between(0, 400)), gateway.ready.catch(() => {})]);
      else {
        const urls = await gateway.ready;
        if (random.chance(0.1)) problems.push(...(await checkRetained(urls, { rig, sources })));
        if (random.chance(0.05)) {
          witnesses[0]!.restart(); // a long replay, in the midst of which the kill may come
          replays++;
        }
        await Promise.all(peers.map((peer) => peer.connect(urls)));
        const load = startLoad(sources, random);
        const watching = ledger.check(urls);
        await sleep(random.between(0, loadTime));
        load.stop();
        await gateway.kill();
        await watching;
      }
      await gateway.kill();
      problems.push(...gateway.errors.map((line) => `cycle ${cycle}: ${line}`));
      for (const peer of peers) peer.disconnect();
      if (cycle % 50 === 0) log(`${cycle} of ${cycles} cycles, ${sources.reduce((total, { sent }) => total + sent, 0)} messages, ${secondsEach(began, cycle)} s each`);
    }
    const each = secondsEach(began, cycles);
    const figures = await settle({ rig, sources, witnesses, ledger });
    return { cycles, ...figures, details: { ...figures.details, "replays from the start": replays, "seconds per cycle": each }, problems: [...problems.slice(0, 20), ...figures.problems] };
  },
};

const secondsEach = (began: number, cycles: number): string => ((performance.now() - began) / cycles / 1000).toFixed(2);
