import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog, type LogRecord } from "../log.ts";
import { fakeClock } from "../testkit/fake-clock.ts";
import { ExpiryWarnings } from "./expiry-warnings.ts";

const day = 86_400_000;

test("ExpiryWarnings warns 30, 7 and 1 days ahead and when it is over, once each, and anew about another certificate", async () => {
  const clock = fakeClock();
  const lines: LogRecord[] = [];
  const warnings = new ExpiryWarnings(createLog({ clock, write: (line) => lines.push(line) }));
  const start = clock.now();
  const seen: string[] = [];
  const look = async (until: number, expires: number): Promise<void> => {
    for (; clock.now() < until; await clock.advance(day / 4)) {
      warnings.look(clock.now(), [{ what: "TLS certificate", file: "a.pem", expires }]);
      for (const { level, message, fields } of lines.splice(0)) seen.push(`${(clock.now() - start) / day}: ${level} ${message}, ${String(fields["daysLeft"])} left`);
    }
  };
  await look(start + 50 * day, start + 40 * day);
  assert.deepEqual(seen.splice(0), [
    "10: warn TLS certificate expires within 30 days, 30 left",
    "33: warn TLS certificate expires within 7 days, 7 left",
    "39: warn TLS certificate expires within 1 day, 1 left",
    "40: error TLS certificate has expired: clients refuse it, 0 left",
  ]);
  await look(start + 52 * day, start + 55 * day);
  assert.deepEqual(seen, ["50: warn TLS certificate expires within 7 days, 5 left"]);
});
