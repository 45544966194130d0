import type { Action } from "./authority.ts";
import type { Decision } from "./decision.ts";
import { covers, gatewayTypes, isHiddenTopic } from "./topic.ts";

/** Whether everybody called `id` may subscribe to that without a right: one's own letter box, the commands to oneself and the answers to one's commands (WIRE §1). */
export function isOwnLetterBox(id: string, pattern: string): boolean {
  return covers(`command/${id}/#`, pattern) || covers(`ack/${id}/#`, pattern);
}

/** What is decided whatever the roles say; undefined where they decide. For people: the bus asks the same questions itself. */
export function fixedDecision(id: string, action: Action, topic: string): Decision | undefined {
  const type = topic.split("/", 1)[0]!;
  if (isHiddenTopic(topic)) return { allowed: false, why: "messages of this type are the gateway's own", near: [] };
  if (action === "publish" && gatewayTypes.has(type)) return { allowed: false, why: `only the gateway itself says "${type}"`, near: [] };
  if (action === "subscribe" && isOwnLetterBox(id, topic)) return { allowed: true, why: "it is its own letter box, for which nobody needs a right", near: [] };
  return undefined;
}
