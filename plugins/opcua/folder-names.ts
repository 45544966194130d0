import { isId } from "@busbar/core";

/** Device and tag of a variable that was found below a folder. */
export interface FoundName {
  readonly device: string;
  readonly tag: string;
}

const placeholder = /\{(instance|name|([1-9]\d?)(\.\.)?)\}/g;

/**
 * Names a variable by the levels that lead to it from its folder, the last one its own. Where a device cannot be made of a template (there is no such level), it is `instance`, and the
 * tag that of all levels.
 */
export function nameVariable(levels: readonly string[], { instance, device, tag }: { readonly instance: string; readonly device: string; readonly tag: string }): FoundName {
  const id = fill(device, { levels: levels.map(asIdLevel), instance, joint: "/" });
  const name = id === undefined ? undefined : fill(tag, { levels, instance, joint: "." });
  if (id === undefined || name === undefined || !isId(id)) return { device: instance, tag: levels.join(".").slice(0, 256) };
  return { device: id, tag: name.slice(0, 256) };
}

function fill(template: string, { levels, instance, joint }: { readonly levels: readonly string[]; readonly instance: string; readonly joint: string }): string | undefined {
  let whole = true;
  const text = template.replace(placeholder, (_all, name: string, number: string | undefined, rest: string | undefined) => {
    if (name === "instance") return instance;
    if (name === "name") return levels.at(-1)!;
    const at = Number(number) - 1;
    if (at >= levels.length) whole = false;
    return rest === undefined ? (levels[at] ?? "") : levels.slice(at).join(joint);
  });
  return whole && text !== "" ? text : undefined;
}

/** An id has few characters (WIRE §1): every other one becomes `_`. */
function asIdLevel(level: string): string {
  return level === "" || level === "." || level === ".." ? "_" : level.replace(/[^A-Za-z0-9._:@-]/gu, "_");
}

/** Makes a test of path patterns: `*` stands for anything within a level, `**` for any number of levels, none too. */
export function pathTest(patterns: readonly string[]): (path: string) => boolean {
  const tests = patterns.map((pattern) => {
    const source = pattern.split("/").map((level) => (level === "**" ? "**" : level.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*")));
    return new RegExp(`^${source.join("/").replaceAll("**/", "(?:[^/]+/)*").replaceAll("/**", "(?:/[^/]+)*").replaceAll("**", ".*")}$`, "u");
  });
  return (path) => tests.some((test) => test.test(path));
}
