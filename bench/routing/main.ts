// The routing benchmark's own process: both sizes by turns, then the medians as one line of JSON.
import { median } from "../report.ts";
import { createRoutingBench } from "./measure.ts";

const messages = Number(process.argv[2]);
const turns = 9;
const few = await createRoutingBench(10);
const many = await createRoutingBench(10_000);
// Both warm up first: else the one that begins would pay for compiling.
for (let i = 0; i < 3; i++) [few, many].forEach((bench) => bench.run(messages));
const samples = Array.from({ length: turns }, () => ({ few: few.run(messages), many: many.run(messages) }));
const result = {
  few: median(samples.map((sample) => sample.few)),
  many: median(samples.map((sample) => sample.many)),
  ratio: median(samples.map((sample) => sample.many / sample.few)),
};
process.stdout.write(`result ${JSON.stringify(result)}\n`);
await few.stop();
await many.stop();
