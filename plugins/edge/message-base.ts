import type { Qos, StepMessage } from "@busbar/core";
import * as v from "valibot";

/** What a message that a step sends by itself has of those it follows from: all but payload, timestamp and msgid. */
export interface MessageBase {
  readonly topic: string;
  readonly type: string;
  readonly from: string;
  readonly to: string;
  readonly qos: Qos;
  readonly retain: boolean;
}

const savedSchema = v.strictObject({ topic: v.string(), type: v.string(), from: v.string(), to: v.string(), qos: v.picklist([0, 1, 2]), retain: v.boolean() });

/** That part of a message. `before`: the base of an earlier one of the same series, which is given again where it says the same. */
export function baseOf({ topic, type, from, to, qos = 0, retain = false }: StepMessage, before?: MessageBase): MessageBase {
  if (before !== undefined && before.topic === topic && before.type === type && before.from === from && before.to === to && before.qos === qos && before.retain === retain) return before;
  return { topic, type, from, to, qos, retain };
}

/** A base that was kept as plain JSON; undefined where it is none. */
export function loadBase(saved: unknown): MessageBase | undefined {
  const parsed = v.safeParse(savedSchema, saved);
  return parsed.success ? parsed.output : undefined;
}
