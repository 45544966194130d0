import type { StepMessage } from "@busbar/core";
import * as v from "valibot";

/** What a message that a step makes later has of the one that it stems from. */
export interface MessageSource {
  readonly type: string;
  readonly from: string;
  readonly to: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

const kept = v.strictObject({ type: v.string(), from: v.string(), to: v.string(), topic: v.string(), qos: v.picklist([0, 1, 2]), retain: v.boolean() });

/** The source of a message; `known`, the source of an earlier one, where it is the same. */
export function sourceOf({ type, from, to, topic, qos = 0, retain = false }: StepMessage, known: MessageSource | undefined): MessageSource {
  const same = known?.topic === topic && known.type === type && known.from === from && known.to === to && known.qos === qos && known.retain === retain;
  return same ? known : { type, from, to, topic, qos, retain };
}

/** A source from plain JSON; undefined where it is none. */
export function parseSource(data: unknown): MessageSource | undefined {
  const { success, output } = v.safeParse(kept, data);
  return success ? output : undefined;
}
