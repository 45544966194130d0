import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../log.ts";
import { createMemoryJournal } from "../memory-journal.ts";
import { keepOpenCommands } from "./command-cursor.ts";
import { trackerUnderTest } from "./command-tracker-fixture.ts";

test("keepOpenCommands() holds the journal at the oldest open command, and lets go when there is none", async () => {
  const { tracker, clock, command, answer, see } = trackerUnderTest({ ttl: 1_000_000 });
  const journal = createMemoryJournal();
  await journal.moveCursor("gateway/commands", 5); // of a former run
  const stop = keepOpenCommands({ commands: tracker, journal, clock, log: createLog({ clock, write: () => assert.fail("nothing goes wrong") }) });
  const standsAt = async (): Promise<unknown> => {
    await clock.advance(10_000);
    return (await journal.cursors()).get("gateway/commands");
  };
  assert.equal(await standsAt(), undefined);
  see(command("zero", "lamp", { expires: clock.now() + 15_000 }));
  see(command("a", "lamp"));
  see(command("b", "lamp"));
  assert.equal(await standsAt(), 0);
  tracker.expire();
  see(answer("a", "lamp"));
  await clock.advance(10_000);
  tracker.expire();
  assert.equal(await standsAt(), 2, "b is the third entry");
  see(answer("b", "lamp"));
  assert.equal(await standsAt(), undefined);
  stop();
  assert.equal(clock.timers, 0);
});
