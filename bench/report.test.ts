import assert from "node:assert/strict";
import { it } from "node:test";
import { allowedCpus } from "./machine/cpus.ts";
import { parseOptions } from "./options.ts";
import { formatReport, median, summarize } from "./report.ts";
import { fanIn } from "./scenarios/fan-in.ts";

const rounds = (values: readonly (number | undefined)[]): Map<number, Record<string, number>> =>
  new Map(values.flatMap((value, round) => (value === undefined ? [] : [[round, { pipelined: value }] as const])));

it("median() is the middle value, or the mean of the two middle ones", () => {
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

it("summarize() takes the median of the ratios within each round, not the ratio of the medians", () => {
  const report = summarize(fanIn, [
    { name: "busbar", samples: rounds([80, 160, 40]), errors: [] },
    { name: "bare", samples: rounds([100, 200, 50]), errors: [] },
  ]);
  assert.equal(report.medians["busbar"]?.["pipelined"], 80);
  assert.equal(report.ratios["bare"]?.["pipelined"], 0.8);
  const goal = report.goals.find(({ id, metric, against }) => id === "P1" && metric === "pipelined" && against === "bare");
  assert.deepEqual([goal?.value, goal?.met], [0.8, true]);
});

it("summarize() leaves out rounds that one side failed in, and says so", () => {
  const report = summarize(fanIn, [
    { name: "busbar", samples: rounds([80, undefined, 30]), errors: ["round 2: boom"] },
    { name: "bare", samples: rounds([100, 10, undefined]), errors: [] },
  ]);
  assert.equal(report.ratios["bare"]?.["pipelined"], 0.8);
  assert.deepEqual(report.errors, ["busbar: round 2: boom"]);
});

it("formatReport() prints ratios, goals and what could not be measured", () => {
  const text = formatReport(
    summarize(fanIn, [
      { name: "busbar", samples: rounds([50]), errors: [] },
      { name: "bare", samples: rounds([100]), errors: [] },
      { name: "mosquitto", samples: new Map(), errors: ["not here: the program mosquitto"] },
    ]),
  );
  assert.match(text, /busbar : bare +x 0\.50/);
  assert.match(text, /P1 pipelined, busbar : bare: x 0\.50 \(goal >= 0\.75\) missed/);
  assert.match(text, /P2 pipelined, busbar : mosquitto: - \(goal >= 2\.5\) not measured/);
  assert.match(text, /failed: mosquitto: not here: the program mosquitto/);
});

it("parseOptions() reads what --help names and refuses the rest", () => {
  const options = parseOptions(["--quick", "--only", "fan-in", "--only", "idle", "--rounds", "2", "--json", "--server", "deno"]);
  assert.deepEqual([options.quick, options.only, options.rounds, options.json, options.server], [true, ["fan-in", "idle"], 2, true, "deno"]);
  assert.equal(parseOptions([]).rounds, 3);
  for (const wrong of [["--rounds", "0"], ["--only", "fan"], ["--server", "bun"], ["--fast"]]) assert.throws(() => parseOptions(wrong));
});

it("allowedCpus() reads ranges and single CPUs", () => {
  assert.deepEqual(allowedCpus("Name:\tx\nCpus_allowed_list:\t0-2,7\n"), [0, 1, 2, 7]);
  assert.deepEqual(allowedCpus("Cpus_allowed_list:\t3\n"), [3]);
});
