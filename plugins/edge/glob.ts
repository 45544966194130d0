import * as v from "valibot";

/**
 * Whether a text fits a pattern in which `*` stands for any run of characters, none included, and everything else for itself. Takes at most as many steps as the product of both lengths.
 */
export function matchesGlob(glob: string, text: string): boolean {
  let at = 0;
  let place = 0;
  let star = -1;
  let after = 0;
  while (place < text.length) {
    if (glob[at] === "*") {
      star = at++;
      after = place;
    } else if (at < glob.length && glob[at] === text[place]) {
      at++;
      place++;
    } else if (star >= 0) {
      at = star + 1;
      place = ++after;
    } else {
      return false;
    }
  }
  while (glob[at] === "*") at++;
  return at === glob.length;
}

/** What each `*` of a pattern stands for in a text that fits it: as little as possible, the first one first. */
export function starsOf(glob: string, text: string): string[] {
  const [head = "", ...parts] = glob.split("*");
  const found: string[] = [];
  let at = head.length;
  for (const [index, part] of parts.entries()) {
    const next = index === parts.length - 1 ? text.length - part.length : text.indexOf(part, at);
    found.push(text.slice(at, next));
    at = next + part.length;
  }
  return found;
}

/** Config schema of a tag or a pattern of tags, such as `motor.*`. */
export function tagGlob() {
  return v.pipe(v.string(), v.minLength(1), v.maxLength(256), v.description("A tag, or a pattern such as motor.* in which * stands for anything."));
}

/** Config schema of the tags a step is about. */
export function tagsField() {
  return v.pipe(v.optional(v.pipe(v.array(tagGlob()), v.minLength(1), v.maxLength(1_000))), v.description("The tags it is about, each a name or a pattern such as motor.*; readings of others pass untouched. Default: all."));
}

/** Makes the test for tags that fit any of the patterns; undefined for none. What was found is remembered for 10,000 tags. */
export function tagTest(globs: readonly string[] | undefined): ((tag: string) => boolean) | undefined {
  if (globs === undefined) return undefined;
  const choose = tagChoice(globs.map((glob) => [glob, true] as const));
  return (tag) => choose(tag) === true;
}

/** Makes the choice of what is said for the first pattern that a tag fits. What was found is remembered for 10,000 tags. */
export function tagChoice<T>(choices: readonly (readonly [glob: string, choice: T])[]): (tag: string) => T | undefined {
  const known = new Map<string, T | undefined>();
  return (tag) => {
    if (known.has(tag)) return known.get(tag);
    const choice = choices.find(([glob]) => matchesGlob(glob, tag))?.[1];
    if (known.size >= 10_000) known.clear();
    known.set(tag, choice);
    return choice;
  };
}
