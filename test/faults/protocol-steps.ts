import { setTimeout as sleep } from "node:timers/promises";
import { faultySection } from "./faulty-section.ts";
import { startLoad } from "./fleet.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import { createRandom, type Random } from "./random.ts";
import { createRig, type Rig } from "./rig.ts";
import type { Scenario } from "./scenario.ts";
import { createCast, settle } from "./settle.ts";
import { killAtCall, straceMissing } from "./strace.ts";

/** The exact moments. `after-ack` is the one that the peer brings about: it kills when the acknowledgement arrives. */
const steps = ["before-append", "write", "sync", "after-commit", "after-ack"] as const;
type Step = (typeof steps)[number];

/** Milliseconds of load after which the moment comes no more; the gateway is killed then all the same. */
const patience = 3000;

/** The server is killed at each step from the arrival of a message to its acknowledgement. */
export const protocolSteps: Scenario = {
  name: "protocol-steps",
  about: "SIGKILL at an exact step: before the append, in the middle of writing, before the fsync, after the commit and before the ack, and when the ack has arrived",
  cycles: { short: 5, long: 250 },
  missing: straceMissing,
  async run({ cycles, seed, runtime, log }) {
    const random = createRandom(seed);
    await using rig = await createRig({ runtime });
    const { sources, witnesses, ledger } = await createCast(rig);
    const problems: string[] = [];
    const reached = Object.fromEntries(steps.map((step) => [step, 0])) as Record<Step, number>;
    for (let cycle = 0; cycle < cycles; cycle++) {
      const step = steps[cycle % steps.length]!;
      const gateway = startFor(step, { rig, random });
      let acks = step === "after-ack" ? random.between(1, 300) : Infinity;
      const onAck = (): void => void (--acks === 0 && gateway.kill());
      let missed = false;
      const urls = await gateway.ready.catch(() => undefined); // the moment may come while it starts
      if (urls !== undefined) {
        await Promise.all([...sources.map((source) => source.connect(urls, onAck)), ...witnesses.map((witness) => witness.connect(urls))]);
        const load = startLoad(sources, random);
        void ledger.check(urls);
        const over = new AbortController();
        missed = await Promise.race([gateway.ended.then(() => false), sleep(patience, true, { signal: over.signal }).catch(() => false)]);
        over.abort();
        load.stop();
      }
      if (!missed) reached[step]++;
      await gateway.kill();
      problems.push(...gateway.errors.map((line) => `${step}: ${line}`));
      for (const peer of [...sources, ...witnesses]) peer.disconnect();
      if ((cycle + 1) % 50 === 0) log(`${cycle + 1} of ${cycles} cycles`);
    }
    const missed = cycles - steps.reduce((total, step) => total + reached[step], 0);
    if (missed > cycles / 4) problems.push(`${missed} of ${cycles} moments were not reached`);
    const figures = await settle({ rig, sources, witnesses, ledger });
    return { cycles, ...figures, details: { ...figures.details, ...Object.fromEntries(steps.map((step) => [`killed: ${step}`, reached[step]])), "moment not reached": missed }, problems: [...problems.slice(0, 20), ...figures.problems] };
  },
};

function startFor(step: Step, { rig, random }: { readonly rig: Rig; readonly random: Random }): GatewayProcess {
  switch (step) {
    case "before-append":
    case "after-commit":
      return rig.start({ plugins: { "storage-sqlite": faultySection({ step, at: random.between(1, 40) }) } });
    case "write":
      return rig.start({ prefix: killAtCall(["pwrite64"], random.between(1, 300)) });
    case "sync":
      return rig.start({ prefix: killAtCall(["fsync", "fdatasync"], random.between(1, 40)) });
    case "after-ack":
      return rig.start();
  }
}
