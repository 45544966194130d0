import { defineStep, isObject, topicOf, topicPattern, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { AssetModel, ruleFault } from "./asset-model.ts";
import { tagGlob } from "./glob.ts";
import { mapSamples, type Sample } from "./samples.ts";

const rule = v.strictObject({
  topic: v.pipe(v.optional(topicPattern(), "#"), v.description("The topics it is about, a filter such as status/plc-7/+. Default #.")),
  tag: v.pipe(v.optional(tagGlob(), "*"), v.description('The tags it is about, a name or a pattern such as "press.*". Default *.')),
  at: v.pipe(v.string(), v.minLength(1), v.maxLength(200), v.description("The asset, a name for each level joined by /, such as berlin/stamping/line-2/press-{topic.1}: {topic.1} is what the first + or # of `topic` stands for, {tag.1} the first * of `tag`.")),
  as: v.pipe(v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(256))), v.description('The name of the tag at the asset, such as "{tag.2}". Default: the name it has.')),
});

/**
 * `asset`: puts readings in their place in the plant (ISA-95: site, area, line, machine). The asset's path becomes `from`, and so the topic, and its levels stand in the payload as `asset`. Readings of one message that
 * belong to several assets leave as one message each. What is addressed to somebody, and what has no readings, passes as it is.
 */
export const assetStep = defineStep({
  description: "Puts readings in their place in an asset model of site, area, line and machine",
  config: v.pipe(
    v.strictObject({
      levels: v.pipe(v.optional(v.pipe(v.array(v.pipe(v.string(), v.regex(/^[a-z][A-Za-z0-9]{0,31}$/, "must be a word such as site"))), v.minLength(1), v.maxLength(8)), ["site", "area", "line", "machine"]), v.description("The names of the levels, 1 to 8. Default site, area, line, machine.")),
      model: v.pipe(v.array(rule), v.minLength(1), v.maxLength(10_000), v.description("The rules, 1 to 10000; for each reading the first one that fits counts.")),
      address: v.pipe(v.optional(v.boolean(), true), v.description("Whether the asset's path becomes `from`, and so the topic. Default true.")),
      payload: v.pipe(v.optional(v.boolean(), true), v.description('Whether the payload says `"asset": {"site": …}`. Default true.')),
      unknown: v.pipe(v.optional(v.picklist(["pass", "drop"]), "drop"), v.description("What becomes of a reading that no rule fits: pass as it is, or drop; it is counted as \"no-asset\". Default drop.")),
    }),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { model, levels } = dataset.value;
      for (const [index, one] of model.entries()) {
        const fault = ruleFault({ as: undefined, ...one }, levels.length);
        if (fault === undefined) continue;
        addIssue({ message: fault, path: [{ type: "object", origin: "value", input: dataset.value, key: "model", value: model }, { type: "array", origin: "value", input: model, key: index, value: one }] });
      }
    }),
  ),
  create({ levels, model: rules, address, payload: inPayload, unknown }, context) {
    const model = new AssetModel(rules.map((one) => ({ as: undefined, ...one })));
    const assets = new Map<string, Readonly<Record<string, string>>>();
    const levelsOf = (path: string): Readonly<Record<string, string>> => {
      let found = assets.get(path);
      if (found === undefined) {
        if (assets.size >= 10_000) assets.clear();
        assets.set(path, (found = Object.fromEntries(path.split("/").map((name, at) => [levels[at]!, name]))));
      }
      return found;
    };
    const place = (message: StepMessage, path: string): StepMessage => {
      const payload = inPayload && isObject(message.payload) ? { ...message.payload, asset: levelsOf(path) } : message.payload;
      return address ? { ...message, payload, from: path, topic: topicOf(message.type, path, message.to) } : { ...message, payload };
    };

    let topic = "";
    /** The assets of the message at hand; undefined stands for none. */
    let paths = new Set<string | undefined>();
    let wanted: string | undefined;
    const look = (sample: Sample): Sample => {
      const found = model.find(topic, sample.tag);
      if (found === undefined) context.count("no-asset");
      paths.add(found?.path);
      return sample;
    };
    const take = (sample: Sample): Sample | undefined => {
      const found = model.find(topic, sample.tag);
      if (found?.path !== wanted) return undefined;
      return found === undefined || found.tag === sample.tag ? sample : { ...sample, tag: found.tag };
    };
    return (message, emit) => {
      if (message.to !== "server") return emit(message);
      topic = message.topic;
      paths = new Set();
      mapSamples(message, look);
      if (paths.size === 0) return emit(message);
      for (const path of paths) {
        wanted = path;
        const part = path === undefined && unknown === "drop" ? undefined : mapSamples(message, take);
        if (part !== undefined) emit(path === undefined ? part : place(part, path));
      }
    };
  },
});
