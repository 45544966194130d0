import * as v from "valibot";
import type { MachineSpec, TagSpec } from "./plant.ts";

const name = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, "a name is 1-64 of A-Z a-z 0-9 _ -"));
const tagName = v.pipe(v.string(), v.maxLength(64));

/** Something that a machine can be told to do: it writes set points and sets counters back, all or nothing. */
export const methodSchema = v.strictObject({
  name,
  title: v.optional(v.pipe(v.string(), v.maxLength(128)), ""),
  /** Values that set points get. */
  set: v.optional(v.record(tagName, v.union([v.pipe(v.number(), v.finite()), v.boolean()])), {}),
  /** What the caller gives: each argument is written to the set point `tag`, and is of its kind. */
  arguments: v.optional(v.pipe(v.array(v.strictObject({ name, tag: tagName })), v.maxLength(32)), []),
  /** Counters that begin at the lower end of their range again; the caller is told what they stood at. */
  reset: v.optional(v.pipe(v.array(tagName), v.maxLength(32)), []),
});

/** Several tags of one kind as one array, in that order. */
export const arraySchema = v.strictObject({ name, of: v.pipe(v.array(tagName), v.minLength(1), v.maxLength(1_000)) });

/** Several tags as one structure: a field's name and the tag that it shows. */
export const structureSchema = v.strictObject({
  name,
  fields: v.pipe(
    v.record(v.pipe(v.string(), v.regex(/^[A-Za-z][A-Za-z0-9]{0,63}$/, "a field is 1-64 of A-Z a-z 0-9, a letter first")), tagName),
    v.check((fields) => Object.keys(fields).length >= 1 && Object.keys(fields).length <= 100, "a structure has 1 to 100 fields"),
  ),
});

/** A method with all its defaults filled in. */
export type MethodSpec = v.InferOutput<typeof methodSchema>;

/** An array or a structure: other tags of its machine, seen as one. It cannot be written; over Modbus it is those tags. */
export interface Composite {
  readonly name: string;
  readonly kind: "array" | "structure";
  /** The names of the members: 0, 1, … or the fields. */
  readonly fields: readonly string[];
  /** The names of the tags that they show. */
  readonly tags: readonly string[];
}

/** The arrays and structures of a machine, arrays first. */
export function compositesOf(machine: Pick<MachineSpec, "arrays" | "structures">): readonly Composite[] {
  return [
    ...machine.arrays.map(({ name, of }): Composite => ({ name, kind: "array", fields: of.map((_, k) => String(k)), tags: of })),
    ...machine.structures.map(({ name, fields }): Composite => ({ name, kind: "structure", fields: Object.keys(fields), tags: Object.values(fields) })),
  ];
}

/** Checks that what a machine's methods, arrays and structures name is there. `problem` takes each with its place in the machine. */
export function checkParts(machine: MachineSpec, problem: (path: readonly (string | number)[], message: string) => void): void {
  const byName = new Map(machine.tags.map((tag) => [tag.name, tag]));
  const taken = new Set(byName.keys());
  const check = (tag: string, path: readonly (string | number)[], fits: (tag: TagSpec) => boolean, what: string): void => {
    const found = byName.get(tag);
    if (!found || !fits(found)) problem(path, `Cannot use "${tag}" here: the machine has no ${what} of that name`);
  };
  const claim = (name: string, path: readonly (string | number)[]): void => {
    if (taken.has(name)) problem(path, `Cannot use the name "${name}": machine "${machine.id}" has something of that name`);
    taken.add(name);
  };
  machine.methods.forEach((method, at) => {
    const path = ["methods", at];
    claim(method.name, [...path, "name"]);
    for (const tag of Object.keys(method.set)) check(tag, [...path, "set", tag], isSetpoint, "set point");
    method.arguments.forEach(({ tag }, k) => check(tag, [...path, "arguments", k, "tag"], isSetpoint, "set point"));
    method.reset.forEach((tag, k) => check(tag, [...path, "reset", k], ({ signal }) => signal.kind === "counter", "counter"));
  });
  machine.arrays.forEach(({ name, of }, at) => {
    claim(name, ["arrays", at, "name"]);
    const kind = byName.get(of[0]!)?.kind;
    of.forEach((tag, k) => check(tag, ["arrays", at, "of", k], (found) => found.kind === kind, kind === undefined ? "tag" : `${kind}`));
  });
  machine.structures.forEach(({ name, fields }, at) => {
    claim(name, ["structures", at, "name"]);
    for (const [field, tag] of Object.entries(fields)) check(tag, ["structures", at, "fields", field], () => true, "tag");
  });
}

const isSetpoint = ({ signal }: TagSpec): boolean => signal.kind === "setpoint";
