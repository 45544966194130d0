import { parseArgs } from "node:util";
import { duration, nearest } from "@busbar/core";
import * as v from "valibot";
import type { AnyCommand, CommandInput, OptionSpec, OptionSpecs } from "./command.ts";
import { usageFailure } from "./failure.ts";

/**
 * Reads the words behind a command's name.
 * @throws {Failure} 64 naming the first thing that cannot be understood, and the nearest that could.
 */
export function parseArguments(name: string, command: AnyCommand, words: readonly string[]): CommandInput<OptionSpecs> {
  const specs = command.options as OptionSpecs;
  const fail = (text: string) => usageFailure(`${name}: ${text}`);
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(Object.entries(specs).map(([key, spec]) => [key, { type: spec.kind === "flag" ? "boolean" : "string" }])),
    strict: false, // its own messages differ between runtimes and know no nearest option
    tokens: true,
  });
  const values: Record<string, unknown> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (!spec || !token.rawName.startsWith("--")) throw fail(unknownOption(token.rawName, specs));
    const text = token.value;
    if (spec.kind === "flag") {
      if (text !== undefined) throw fail(`--${token.name} takes no value`);
      values[token.name] = true;
    } else if (text === undefined || (token.inlineValue === false && text.startsWith("--"))) throw fail(`--${token.name} needs a value`);
    else if (spec.kind === "text" && spec.many) values[token.name] = [...((values[token.name] as string[] | undefined) ?? []), text];
    else if (token.name in values) throw fail(`--${token.name} is given twice`);
    else values[token.name] = readValue(token.name, spec, text, fail);
  }
  checkPositionals(command.positionals, positionals, fail);
  return { options: { ...fallbacks(specs), ...values } as never, positionals };
}

function unknownOption(rawName: string, specs: OptionSpecs): string {
  const all = [...Object.keys(specs), "help"].map((key) => `--${key}`);
  const near = nearest(rawName, all);
  return `unknown option ${rawName}; ${near === undefined ? `there are ${all.join(", ")}` : `did you mean ${near}?`}`;
}

function readValue(name: string, spec: Exclude<OptionSpec, { kind: "flag" }>, text: string, fail: (text: string) => Error): string | number {
  switch (spec.kind) {
    case "text":
      return text;
    case "choice": {
      if (spec.of.includes(text)) return text;
      const near = nearest(text, spec.of);
      throw fail(`--${name} must be ${spec.of.join(" or ")}, not "${text}"${near === undefined ? "" : `; did you mean ${near}?`}`);
    }
    case "number": {
      const value = text.trim() === "" ? Number.NaN : Number(text);
      const fits = value >= spec.min && value <= spec.max && (!spec.whole || Number.isInteger(value));
      if (!fits) throw fail(`--${name} must be a ${spec.whole ? "whole " : ""}number from ${spec.min} to ${spec.max}, not "${text}"`);
      return value;
    }
    case "duration": {
      const result = v.safeParse(duration(spec.min, spec.max), text);
      if (!result.success) throw fail(`--${name} ${result.issues[0].message}, not "${text}"`);
      return result.output;
    }
  }
}

function checkPositionals(names: readonly string[], given: readonly string[], fail: (text: string) => Error): void {
  const missing = names[given.length];
  if (missing !== undefined && !missing.endsWith("?")) throw fail(`<${missing}> is missing`);
  if (given.length > names.length) throw fail(`unexpected argument "${given[names.length]}"`);
}

function fallbacks(specs: OptionSpecs): Record<string, unknown> {
  const entries = Object.entries(specs).map(([key, spec]): [string, unknown] => {
    if (spec.kind === "flag") return [key, false];
    if (spec.kind === "text" && spec.many) return [key, []];
    return [key, spec.kind === "duration" && spec.fallback !== undefined ? v.parse(duration(), spec.fallback) : spec.fallback];
  });
  return Object.fromEntries(entries);
}
