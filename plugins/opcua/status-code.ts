import type { StatusCode } from "node-opcua-client";

/** How far a value can be trusted (WIRE §1 "Readings"). */
export type Quality = "good" | "uncertain" | "bad";

/** The severity is in the two highest bits of a StatusCode; 11 is reserved and taken for bad (OPC 10000-4 §7.39.1). */
const qualities: readonly Quality[] = ["good", "uncertain", "bad", "bad"];

/** The info bits that tell something about a value (OPC 10000-4 §7.39.1, OPC 10000-11 §6.5). The limit bits are one of a kind and stand below. */
const infoBits: readonly (readonly [mask: number, name: string])[] = [
  [0x8000, "StructureChanged"],
  [0x4000, "SemanticsChanged"],
  [0x0080, "Overflow"],
  [0x0001, "Calculated"],
  [0x0002, "Interpolated"],
  [0x0004, "Partial"],
  [0x0008, "ExtraData"],
  [0x0010, "MultiValue"],
];
const limitBits: readonly (string | undefined)[] = [undefined, "LimitLow", "LimitHigh", "LimitConstant"];
/** Only where these bits are set do the limit, overflow and historian bits mean anything. */
const dataValueInfo = 0x0400;

/** The texts of the codes that were seen: there are few, and each stands for thousands of values. */
const texts = new Map<number, string>();
/** A server that sends more codes than there are is not given more memory for them. */
const maxTexts = 1_000;

/** The quality that a StatusCode stands for. */
export function qualityOf(status: StatusCode): Quality {
  return qualities[status.value >>> 30]!;
}

/**
 * What a StatusCode says in the protocol's words, such as `BadNoCommunication`, `UncertainLastUsableValue` or, with info bits, `Good#Overflow|LimitHigh`;
 * undefined where it says no more than `good`. Allocates nothing for a code that was seen before.
 */
export function codeOf(status: StatusCode): string | undefined {
  const { value } = status;
  if (value === 0) return undefined;
  let text = texts.get(value);
  if (text === undefined) {
    if (texts.size >= maxTexts) texts.clear();
    text = formatStatus(status);
    texts.set(value, text);
  }
  return text === "Good" ? undefined : text;
}

function formatStatus({ value, name }: StatusCode): string {
  const base = name.split("#", 1)[0]!;
  const about = (value & dataValueInfo) !== 0 ? value : value & 0xc000;
  const limit = limitBits[(about >>> 8) & 3];
  const bits = infoBits.flatMap(([mask, bit]) => ((about & mask) !== 0 ? [bit] : []));
  const all = limit === undefined ? bits : [...bits, limit];
  return all.length === 0 ? base : `${base}#${all.join("|")}`;
}
