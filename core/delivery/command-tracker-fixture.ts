import type { CommandAnswer } from "../commands.ts";
import type { Draft, Envelope, Message } from "../envelope.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { journalMessage } from "../testkit/journal-message.ts";
import { CommandTracker } from "./command-tracker.ts";

/** A tracker on a fake clock, with messages for it to see and short words for what it is asked. */
export function trackerUnderTest({ limit = 100, ttl = 1000, perDevice = 100, clock = fakeClock() } = {}) {
  const told: [msgid: string, answer: CommandAnswer][] = [];
  const tracker = new CommandTracker({ clock, ttl, limit, perDevice, tell: (command, answer) => void told.push([command.msgid, answer]) });
  const command = (msgid: string, to: string, more: Partial<Draft> = {}): Message => journalMessage({ type: "command", from: "app", qos: 1, msgid, to, ...more }, clock.now()) as Message;
  const answer = (msgid: string, from: string, more: { readonly to?: string; readonly status?: unknown; readonly result?: unknown } = {}): Envelope =>
    journalMessage({ type: "ack", from, to: more.to ?? "app", qos: 1, payload: { msgid, status: more.status ?? "ok", ...("result" in more && { result: more.result }) } }, clock.now());
  const note = (msgid: string, device: string, final = false): Envelope => journalMessage({ type: "command-sent", from: "gateway", payload: { commands: [{ from: "app", msgid, device, ...(final && { final }) }] } }, clock.now());
  let offset = 0;
  return {
    clock, tracker, command, answer, note, told,
    see: (message: Envelope) => tracker.see(message, ++offset),
    send: (message: Envelope, device: string, final = false) => tracker.find(message)!.hand(device, final),
    state: (msgid: string, from = "app") => tracker.get(msgid, from)?.state,
    waiting: (id: string, groups: readonly string[] = []) => tracker.waiting({ id, groups }).map((one) => one.message.msgid),
  };
}
