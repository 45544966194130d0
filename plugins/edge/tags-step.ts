import { defineStep } from "@busbar/core";
import * as v from "valibot";
import { matchesGlob, starsOf, tagGlob, tagTest } from "./glob.ts";
import { mapSamples, type Sample } from "./samples.ts";

/** Tags that are remembered with their new names; beyond it the memory starts anew. */
const memoryLimit = 10_000;
const longestTag = 256;

const globs = (text: string) => v.pipe(v.optional(v.pipe(v.array(tagGlob()), v.minLength(1), v.maxLength(1_000))), v.description(text));
const affix = (text: string) => v.pipe(v.optional(v.pipe(v.string(), v.maxLength(64)), ""), v.description(text));

/**
 * `tags`: says which tags stay and what they are called. `keep` and `drop` look at the names that came; then the first pattern of `rename` that fits gives the new name, in which each `*` stands for what the
 * `*` of the same place stood for; then come `prefix` and `suffix`. A message of which no reading is left goes no further.
 */
export const tagsStep = defineStep({
  description: "Keeps, drops and renames tags by names and patterns",
  config: v.pipe(
    v.strictObject({
      keep: globs("The tags that stay, names or patterns. Default: all."),
      drop: globs("The tags that go. Default: none."),
      rename: v.pipe(v.optional(v.pipe(v.record(tagGlob(), v.pipe(v.string(), v.minLength(1), v.maxLength(longestTag))), v.maxEntries(10_000)), {}), v.description('Names or patterns and the new names, such as "motor.*": "drive/*". Default: none.')),
      prefix: affix("What is put before every name. Default: nothing."),
      suffix: affix("What is put behind every name. Default: nothing."),
    }),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const [glob, name] of Object.entries(dataset.value.rename)) {
        if (starsIn(name) > starsIn(glob)) addIssue({ message: `has more * in ${JSON.stringify(name)} than in ${JSON.stringify(glob)}`, path: [{ type: "object", origin: "value", input: dataset.value, key: "rename", value: dataset.value.rename }] });
      }
    }),
  ),
  create({ keep, drop, rename, prefix, suffix }) {
    const stays = tagTest(keep);
    const goes = tagTest(drop);
    const names = new Map(Object.entries(rename).filter(([glob]) => starsIn(glob) === 0));
    const patterns = Object.entries(rename).filter(([glob]) => starsIn(glob) > 0);
    const known = new Map<string, string | undefined>();

    /** The new name of a tag; undefined where it goes. */
    const decide = (tag: string): string | undefined => {
      if ((stays !== undefined && !stays(tag)) || goes?.(tag) === true) return undefined;
      const pattern = names.has(tag) ? undefined : patterns.find(([glob]) => matchesGlob(glob, tag));
      const name = names.get(tag) ?? (pattern === undefined ? tag : fill(pattern[1], starsOf(pattern[0], tag)));
      return (prefix + name + suffix).slice(0, longestTag);
    };
    const visit = (sample: Sample): Sample | undefined => {
      const { tag } = sample;
      let name = known.get(tag);
      if (name === undefined && !known.has(tag)) {
        if (known.size >= memoryLimit) known.clear();
        known.set(tag, (name = decide(tag)));
      }
      return name === tag ? sample : name === undefined ? undefined : { ...sample, tag: name };
    };
    return (message, emit) => {
      const named = mapSamples(message, visit);
      if (named !== undefined) emit(named);
    };
  },
});

const starsIn = (text: string): number => text.split("*").length - 1;

function fill(name: string, stars: readonly string[]): string {
  let at = 0;
  return name.replace(/\*/g, () => stars[at++] ?? "");
}
