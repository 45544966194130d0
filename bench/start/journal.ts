import type { Draft, Envelope } from "@busbar/core";
import { journalMessage } from "@busbar/core/testkit";
import { openStorage } from "../../plugins/storage-sqlite/storage.ts";

/** Messages of one batch. */
const batchSize = 10_000;
/** One message in so many is a command, one an answer. */
const every = 200;
const readings = { values: [{ tag: "temperature", value: 42.5, unit: "°C", quality: "good" }], quality: "good" };

/** What a journal is made of. */
export interface JournalRequest {
  readonly file: string;
  readonly messages: number;
  /** Of the first message, ms since the Unix epoch; two milliseconds lie between any two. */
  readonly since: number;
}

/**
 * Makes the journal of a gateway that has run for long: a hundred devices with 150-byte readings at qos 1, one message in 200 a command and one its answer. The very first command is
 * still open, and the very first dead letter waits for a decision.
 */
export async function makeJournal({ file, messages, since }: JournalRequest): Promise<void> {
  const storage = await openStorage({ file, durability: "normal", journalLimit: 2 ** 40 });
  for (let at = 0; at < messages; at += batchSize) {
    await storage.journal.append(Array.from({ length: Math.min(batchSize, messages - at) }, (_, index) => message(at + index, since + (at + index) * 2)));
  }
  await storage.close();
}

function message(at: number, time: number): Envelope {
  const make = (draft: Partial<Draft>): Envelope => journalMessage({ msgid: `m-${at}`, timestamp: time, qos: 1, ...draft }, time);
  if (at === 0) return make({ type: "command", from: "app", to: "device-open", payload: { on: true }, expires: time + 10 * 365 * 86_400_000 });
  if (at === 1) return make({ type: "dead-letter", from: "mqtt/egress", payload: { reason: "it was too large", received: time, message: { type: "status", from: "device-1", payload: 1, msgid: "m", offset: 1 } } });
  if (at % every === 0) return make({ type: "command", from: "app", to: `device-${at % 100}`, payload: { on: true }, expires: time + 60_000 });
  if (at % every === 100) return make({ type: "ack", from: `device-${at % 100}`, to: "app", payload: { msgid: `m-${at - 100}`, status: "ok", result: { on: true } } });
  return make({ from: `device-${at % 100}`, payload: readings });
}
