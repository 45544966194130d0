import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { BusbarError } from "../errors.ts";
import type { Journal } from "../journal.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { definePlugin } from "../plugin.ts";
import { JournalPort } from "../ports.ts";
import { openSessions, settle } from "./limits-fixture.ts";

/** A journal whose medium is full as long as it is told to be. */
function fullAtTimes(): { readonly medium: { full: boolean }; readonly journal: Journal } {
  const medium = { full: false };
  const journal = createMemoryJournal();
  const append = journal.append.bind(journal);
  journal.append = (batch) => (medium.full ? Promise.reject(new BusbarError("OVERLOAD", "Cannot append: it is full")) : append(batch));
  return { medium, journal };
}

const plugin = (journal: Journal) => definePlugin({ name: "full-at-times", description: "A journal", config: v.strictObject({}), provides: { journal: JournalPort }, setup: () => ({ journal }) });

test("a session lets nothing overtake a message that the journal refused", async () => {
  const { medium, journal } = fullAtTimes();
  await using subject = await openSessions({}, { journal: [plugin(journal), {}] });
  const peer = subject.connect();
  const send = (...msgids: string[]): void => msgids.forEach((msgid) => peer.send({ type: "status", payload: msgid, qos: 1, msgid }));
  const told = (type: string): unknown[] => peer.said.splice(0).filter((frame) => frame["type"] === type).map(({ msgid }) => msgid);
  const stored = async (): Promise<unknown[]> => (await journal.read({ after: 0, limit: 1000 })).entries.filter(({ message }) => message.topic === "status/d-1").map(({ message }) => message.msgid);

  send("1");
  await settle();
  assert.deepEqual(told("ack"), ["1"]);
  medium.full = true;
  send("2", "3");
  await settle();
  assert.deepEqual(told("error"), ["2", "3"]);
  medium.full = false;
  await subject.clock.advance(1000); // the journal takes messages again
  await settle();
  assert.equal(peer.paused, false);
  send("4", "5"); // on their way when 2 was refused
  await settle();
  assert.deepEqual(told("error"), ["4", "5"]);
  send("2", "3", "4", "5", "6");
  await settle();
  assert.deepEqual(told("ack"), ["2", "3", "4", "5", "6"]);
  assert.deepEqual(await stored(), ["1", "2", "3", "4", "5", "6"]);
});

test("a session hears a peer again that does not send again what was refused, 2 s after the journal takes messages", async () => {
  const { medium, journal } = fullAtTimes();
  await using subject = await openSessions({}, { journal: [plugin(journal), {}] });
  const peer = subject.connect();
  const send = (msgid: string): void => peer.send({ type: "status", payload: 1, qos: 1, msgid });
  medium.full = true;
  send("1");
  await settle();
  await subject.clock.advance(10_000);
  medium.full = false;
  while (subject.gateway.metric("busbar_journal_refusing") === 1) {
    await subject.clock.advance(1000);
    await settle();
  }
  send("2");
  assert.deepEqual(peer.said.splice(0).map(({ type, msgid, code }) => [type, msgid, code]), [["error", "1", "OVERLOAD"], ["error", "2", "OVERLOAD"]]);
  await subject.clock.advance(2000);
  send("3");
  await settle();
  assert.deepEqual(peer.said.map(({ type, msgid }) => [type, msgid]), [["ack", "3"]]);
});
