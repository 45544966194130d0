import { matches } from "@busbar/core";
import { matchesGlob, starsOf } from "./glob.ts";

/** One rule: what comes from where belongs to which asset. */
export interface AssetRule {
  /** A topic filter. */
  readonly topic: string;
  /** A tag, or a pattern of tags. */
  readonly tag: string;
  /** The asset's path, a name for each level, joined by `/`, with places such as `{topic.1}` and `{tag.2}`. */
  readonly at: string;
  /** The tag's name at the asset, with places; undefined = as it is. */
  readonly as: string | undefined;
}

/** The asset that a reading belongs to, and its name there. */
export interface AssetPlace {
  /** Such as `berlin/stamping/line-2/press-4`. */
  readonly path: string;
  readonly tag: string;
}

const place = /\{(topic|tag)\.(\d)\}/g;

/** Topics and tags that are remembered with their places; beyond it the memory starts anew. */
const memoryLimit = 100_000;

/** Finds the asset of a reading: by the first rule that fits its topic and tag. */
export class AssetModel {
  readonly #rules: readonly AssetRule[];
  readonly #known = new Map<string, Map<string, AssetPlace | undefined>>();
  #size = 0;

  constructor(rules: readonly AssetRule[]) {
    this.#rules = rules;
  }

  /** Undefined where no rule fits. */
  find(topic: string, tag: string): AssetPlace | undefined {
    let tags = this.#known.get(topic);
    if (tags === undefined) this.#known.set(topic, (tags = new Map()));
    if (tags.has(tag)) return tags.get(tag);
    const found = this.#resolve(topic, tag);
    if (++this.#size > memoryLimit) {
      this.#known.clear();
      this.#known.set(topic, (tags = new Map()));
      this.#size = 1;
    }
    tags.set(tag, found);
    return found;
  }

  #resolve(topic: string, tag: string): AssetPlace | undefined {
    const rule = this.#rules.find((one) => matches(one.topic, topic) && matchesGlob(one.tag, tag));
    if (rule === undefined) return undefined;
    const parts = { topic: wildcardsOf(rule.topic, topic), tag: starsOf(rule.tag, tag) };
    const fill = (text: string): string => text.replace(place, (_all, kind: "topic" | "tag", number: string) => parts[kind][Number(number) - 1] ?? "");
    const path = rule.at.split("/").map((level) => toLevel(fill(level))).join("/");
    return { path, tag: rule.as === undefined ? tag : fill(rule.as) || tag };
  }
}

/** Says what is wrong with a rule; undefined when nothing is. `levels`: how many there are. */
export function ruleFault({ topic, tag, at, as }: AssetRule, levels: number): string | undefined {
  const names = at.split("/");
  if (names.length > levels) return `has ${names.length} levels in ${JSON.stringify(at)}, of ${levels} that there are`;
  if (names.some((name) => !/^(?:[A-Za-z0-9._:@-]|\{(?:topic|tag)\.[1-9]\})+$/.test(name))) return `has ${JSON.stringify(at)}, which must be names of A-Z a-z 0-9 . _ : @ - and places such as {topic.1} or {tag.2}, joined by /`;
  const wildcards = { topic: topic.split("/").filter((level) => level === "+" || level === "#").length, tag: tag.split("*").length - 1 };
  for (const text of [at, as ?? ""]) {
    for (const [whole, kind, number] of text.matchAll(place)) {
      if (Number(number) > wildcards[kind as "topic" | "tag"]) return `names ${whole}, but there are ${wildcards[kind as "topic" | "tag"]} wildcards in ${JSON.stringify(kind === "topic" ? topic : tag)}`;
    }
  }
  return undefined;
}

/** What each `+` and `#` of a topic filter stands for, the levels of a `#` joined by dots. */
function wildcardsOf(filter: string, topic: string): string[] {
  const levels = topic.split("/");
  return filter.split("/").flatMap((level, at) => (level === "+" ? [levels[at] ?? ""] : level === "#" ? [levels.slice(at).join(".")] : []));
}

/** A level of an id (WIRE §1): what may not stand in one becomes a dash. */
function toLevel(text: string): string {
  const level = text.replace(/[^A-Za-z0-9._:@-]/g, "-");
  return level === "" || level === "." || level === ".." ? "-" : level;
}
