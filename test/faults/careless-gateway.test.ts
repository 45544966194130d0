import assert from "node:assert/strict";
import { test } from "node:test";
import { commandFor } from "@busbar/core";
import { faultySection } from "./faulty-section.ts";
import { createSources, drained } from "./fleet.ts";
import { createLedgerWatch } from "./ledger-watch.ts";
import { createRig } from "./rig.ts";
import { settle } from "./settle.ts";

test("settle() finds every message that a gateway lost which acknowledges and does not store", async () => {
  await using rig = await createRig({ runtime: { name: "the one under test", command: commandFor } });
  const sources = (await createSources(rig)).filter(({ qos }) => qos > 0);
  const gateway = rig.start({ plugins: { "storage-sqlite": faultySection({ step: "lie", at: 1 }) } });
  const urls = await gateway.ready;
  await Promise.all(sources.map((source) => source.connect(urls)));
  for (const source of sources) source.load(12);
  await drained(sources);
  await gateway.kill();
  for (const source of sources) source.disconnect();
  const { lost, problems } = await settle({ rig, sources, witnesses: [], ledger: createLedgerWatch(await rig.tokenFor("ledger")) });
  assert.equal(lost, 12 * sources.length);
  assert.match(problems.join("\n"), /message 1 of load\/tcp-1 was acknowledged and is not there/);
});
