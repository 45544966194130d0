import assert from "node:assert/strict";
import { test } from "node:test";
import { matches as coreMatches } from "@busbar/core";
import { covers, matches, overlaps } from "./topic-pattern.ts";

const levels = ["a", "b"];
const build = (length: number): string[] => (length === 0 ? [""] : build(length - 1).flatMap((rest) => levels.map((level) => (rest === "" ? level : `${rest}/${level}`))));
/** All topics of two letters up to four levels: enough to tell any two patterns of up to three levels apart. */
const topics = [1, 2, 3, 4].flatMap(build);
const patterns = [1, 2, 3].flatMap((length) => {
  const all = (left: number): string[][] => (left === 0 ? [[]] : all(left - 1).flatMap((rest) => ["a", "b", "+"].map((level) => [...rest, level])));
  return [...all(length), ...all(length - 1).map((rest) => [...rest, "#"])].map((parts) => parts.join("/"));
});

test("matches() says what the gateway says of every pattern and topic", () => {
  for (const pattern of patterns) for (const topic of topics) assert.equal(matches(pattern, topic), coreMatches(pattern, topic), `${pattern} ${topic}`);
});

test("overlaps() holds exactly where a topic matches both", () => {
  for (const one of patterns) for (const other of patterns) assert.equal(overlaps(one, other), topics.some((topic) => matches(one, topic) && matches(other, topic)), `${one} ${other}`);
});

test("covers() never claims what does not hold, and misses only what no level says", () => {
  for (const wide of patterns) {
    for (const narrow of patterns) {
      const truth = topics.every((topic) => !matches(narrow, topic) || matches(wide, topic));
      if (covers(wide, narrow)) assert.ok(truth, `${wide} ${narrow}`);
      else if (truth) assert.match(`${wide} ${narrow}`, /#/, "only where # is concerned: +/# is all there is, as # is");
    }
  }
});
