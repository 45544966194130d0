import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { createLog, type LogRecord } from "./log.ts";
import { MetricsRegistry } from "./metrics.ts";
import { fakeClock } from "./testkit/fake-clock.ts";
import { createWriteGuard, mayMatchCommands, namesCommands, writesField } from "./writes.ts";

function guard(allowWrites: boolean) {
  const clock = fakeClock();
  const metrics = new MetricsRegistry();
  const lines: LogRecord[] = [];
  const audited: unknown[] = [];
  const log = createLog({ clock, write: (record) => lines.push(record) });
  const writes = createWriteGuard({ id: "plant", config: { allowWrites }, clock, log, metrics, needs: { audit: { write: (action, fields) => void audited.push([action, fields]) } } });
  return { writes, clock, lines, audited, count: () => /^busbar_writes_refused_total\{instance="plant"\} (\d+)$/m.exec(metrics.format())?.[1] };
}

test("writesField() is false unless the config says otherwise", () => {
  const schema = v.strictObject({ allowWrites: writesField("the plant obeys") });
  assert.deepEqual(v.parse(schema, {}), { allowWrites: false });
  assert.deepEqual(v.parse(schema, { allowWrites: true }), { allowWrites: true });
  assert.equal(v.safeParse(schema, { allowWrites: "yes" }).success, false);
});

test("WriteGuard refuses with FORBIDDEN that names the setting, counts, and tells the audit log", () => {
  const { writes, audited, count } = guard(false);
  assert.equal(writes.allowed, false);
  assert.throws(() => writes.check({ target: "lamp-1", id: "anna", msgid: "m1" }), { code: "FORBIDDEN", message: 'Cannot write to "lamp-1": plugins.plant.allowWrites is false' });
  assert.equal(writes.permits({ target: "unit 5", remote: "10.0.0.1" }), false);
  assert.equal(count(), "2");
  assert.deepEqual(audited, [
    ["write-refused", { target: "lamp-1", id: "anna", msgid: "m1", instance: "plant", reason: "allowWrites is false" }],
    ["write-refused", { target: "unit 5", remote: "10.0.0.1", instance: "plant", reason: "allowWrites is false" }],
  ]);
});

test("WriteGuard logs at most once a second, with a count", async () => {
  const { writes, clock, lines } = guard(false);
  for (let at = 0; at < 100; at++) writes.permits({ target: "x" });
  await clock.advance(1000);
  writes.permits({ target: "x" });
  assert.deepEqual(lines.map(({ fields }) => fields["count"]), [1, 100]);
});

test("WriteGuard lets everything pass in silence where writes are allowed", () => {
  const { writes, lines, audited, count } = guard(true);
  writes.check({ target: "x" });
  assert.equal(writes.permits({ target: "x" }), true);
  assert.deepEqual([lines, audited, count()], [[], [], "0"]);
});

test("namesCommands() and mayMatchCommands() tell who wants commands from who happens to match them", () => {
  for (const pattern of ["command/#", "command", "command/+/lamp", "command/lamp"]) assert.deepEqual([namesCommands([pattern]), mayMatchCommands([pattern])], [true, true], pattern);
  for (const pattern of ["#", "+/#", "+/lamp"]) assert.deepEqual([namesCommands(["status/#", pattern]), mayMatchCommands(["status/#", pattern])], [false, true], pattern);
  for (const pattern of ["status/#", "commands/#", "status/command"]) assert.deepEqual([namesCommands([pattern]), mayMatchCommands([pattern])], [false, false], pattern);
});
