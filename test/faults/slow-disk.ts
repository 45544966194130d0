import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { sumMetrics } from "@busbar/core/testkit";
import { drained, startLoad } from "./fleet.ts";
import { readMetrics } from "./ledger-watch.ts";
import { createRandom } from "./random.ts";
import { createRig } from "./rig.ts";
import type { Scenario } from "./scenario.ts";
import { createCast, settle } from "./settle.ts";
import { delaySyncs, straceMissing } from "./strace.ts";

/** Milliseconds that every sync of the disk takes longer. */
const delay = 200;
/** Milliseconds of load in a cycle. */
const load = 3000;
/** How much the gateway's memory may grow over all cycles, bytes. */
const growth = 60 * 1024 ** 2;

/** Each sync takes a fifth of a second: nothing breaks, everything waits. */
export const slowDisk: Scenario = {
  name: "slow-disk",
  about: `every fsync takes ${delay} ms longer, under load: the group commit grows instead of queues, /readyz stays 200, memory stays flat, nothing is refused or lost`,
  cycles: { short: 1, long: 40 },
  missing: straceMissing,
  async run({ cycles, seed, runtime, log }) {
    const random = createRandom(seed);
    await using rig = await createRig({ runtime });
    const { sources, durable, witnesses, ledger } = await createCast(rig);
    const token = await rig.tokenFor("ledger");
    const problems: string[] = [];
    const first = rig.start(); // the files are made at full speed
    await first.ready;
    await first.stop();
    const gateway = rig.start({ prefix: delaySyncs(delay) });
    const urls = await gateway.ready;
    await Promise.all([...sources, ...witnesses].map((peer) => peer.connect(urls)));
    const read = async (): Promise<{ readonly batches: number; readonly messages: number; readonly seconds: number }> => {
      const text = (await readMetrics(urls, token)) ?? "";
      return { batches: sumMetrics(text, "busbar_storage_commit_seconds_count"), messages: sumMetrics(text, "busbar_storage_journal_appended_total"), seconds: sumMetrics(text, "busbar_storage_commit_seconds_sum") };
    };
    const before = await read();
    let [looks, refused, smallest, largest] = [0, 0, Number.POSITIVE_INFINITY, 0];
    for (let cycle = 0; cycle < cycles; cycle++) {
      const running = startLoad(sources, random);
      for (const end = performance.now() + load; performance.now() < end; await sleep(100)) {
        const { status } = await fetch(`${urls.get("HTTP API")!}/readyz`);
        looks++;
        if (status !== 200) refused++;
        const memory = residentBytes(gateway.pid);
        if (looks > 10) smallest = Math.min(smallest, memory); // it has warmed up
        if (looks > 10) largest = Math.max(largest, memory);
      }
      running.stop();
      await drained(durable);
      await ledger.check(urls);
      if ((cycle + 1) % 10 === 0) log(`${cycle + 1} of ${cycles} cycles`);
    }
    const after = await read();
    const batches = after.batches - before.batches;
    const each = (after.messages - before.messages) / batches;
    const milliseconds = ((after.seconds - before.seconds) / batches) * 1000;
    if (refused > 0) problems.push(`/readyz was not 200 in ${refused} of ${looks} looks`);
    if (!(milliseconds >= delay)) problems.push(`a commit took ${milliseconds.toFixed(0)} ms: the disk was not slow`);
    if (!(each >= 10)) problems.push(`a commit had ${each.toFixed(1)} messages: it does not grow`);
    if (largest - smallest > growth) problems.push(`memory grew from ${smallest} to ${largest} bytes`);
    problems.push(...gateway.errors);
    for (const peer of [...sources, ...witnesses]) peer.disconnect();
    await gateway.kill();
    const figures = await settle({ rig, sources, witnesses, ledger });
    const refusals = sources.reduce((total, source) => total + source.retries, 0);
    if (refusals > 0) problems.push(`sources were refused ${refusals} times`);
    const details = { "messages a commit": each.toFixed(1), "ms a commit": milliseconds.toFixed(0), "memory MiB, least": (smallest / 2 ** 20).toFixed(0), "memory MiB, most": (largest / 2 ** 20).toFixed(0) };
    return { cycles, ...figures, details: { ...figures.details, ...details }, problems: [...problems, ...figures.problems] };
  },
};

/** Memory that a process holds, bytes. */
function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
