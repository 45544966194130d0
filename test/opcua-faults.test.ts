import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { until } from "@busbar/core/testkit";
import { openSimulatedPlant, type SimulatedPlant } from "../plugins/opcua-sim/mod.ts";
import { openRig, temporaryFolder, type ClientRig } from "../plugins/opcua/testing/client-rig.ts";

/*
 * What the client makes of each fault of the simulated plant: the quality of the readings, the event, and that it recovers. One plant for the file, as its server takes seconds to start.
 */
const folder = temporaryFolder();
let plant: SimulatedPlant;

before(async () => {
  plant = await openSimulatedPlant({
    plant: { machines: [{ id: "tank", tags: [{ name: "level", unit: "%", signal: { kind: "sine", period: 1_000 } }, { name: "target", signal: { kind: "setpoint", value: 50 } }] }] },
    period: 50, allowWrites: true, opcua: { port: 0, pki: join(folder, "sim"), securityPolicies: ["None", "Basic256Sha256"], acceptUnknownClients: true }, modbus: { enabled: false },
  });
  plant.start();
  await using rig = await open({ timeout: 20_000 }); // the server behind the port is loaded for its first client
  await goodAgain(rig);
});
afterEach(() => void plant.faults.clear());
after(() => plant.close());

const open = (more: Record<string, unknown> = {}): Promise<ClientRig> => openRig({ url: plant.opcua!.url, timeout: 600, folders: [{ under: "/Objects/Plant", device: "{1}", tag: "{2..}" }], ...more }, folder);

/** Waits until a level comes that is good, and was sampled after now. */
async function goodAgain(rig: ClientRig): Promise<void> {
  const from = rig.messages.length;
  await until("the level is good", () => rig.messages.slice(from).some(({ topic, payload }) => topic === "status/tank" && (payload as { values: { tag: string; quality: string }[]; late?: boolean }).values.some(({ tag, quality }) => tag === "level" && quality === "good")),
    { show: () => [rig.readings("level").slice(-3), rig.messages.filter(({ type }) => type === "event").slice(-5).map(({ payload }) => payload), rig.gateway.log.slice(-5)] });
}

/** Waits for the connection to be lost n times, and says why it was. */
const lost = async (rig: ClientRig, times = 1): Promise<string> => {
  await until("the connection is lost", () => rig.events("connection").filter(({ state }) => state === "down").length >= times);
  return String(rig.events("connection").filter(({ state }) => state === "down")[times - 1]!["reason"]);
};

test("bad-quality: the reading has the quality and the code, the other one is good", async () => {
  await using rig = await open();
  await goodAgain(rig);
  plant.faults.inject({ kind: "bad-quality", machine: "tank", tag: "level", code: "BadSensorFailure" });
  await until("the level is bad", () => rig.readings("level").at(-1)?.code === "BadSensorFailure");
  assert.equal(rig.readings("level").at(-1)!.quality, "bad");
  assert.equal(rig.readings("target").at(-1)!.quality, "good");
  plant.faults.clear();
  await goodAgain(rig);
  assert.equal(rig.events("connection").length, 1, "the connection never was at fault");
});

test("stuck: the value stands still and its quality is what the source says of it", async () => {
  await using rig = await open({ folders: [], nodes: [{ node: "nsu=urn:busbar:opcua-sim;s=tank.level", tag: "level", device: "tank", poll: 50 }] });
  await goodAgain(rig);
  plant.faults.inject({ kind: "stuck", tag: "level" });
  await until("it stands still", () => rig.readings("level").length > 5 && new Set(rig.readings("level").slice(-5).map(({ value }) => value)).size === 1);
  plant.faults.clear();
  await until("it moves again", () => new Set(rig.readings("level").slice(-3).map(({ value }) => value)).size === 3);
});

test("clock-jump: an event says so in both directions, and no reading lies in the future", async () => {
  await using rig = await open();
  await goodAgain(rig);
  plant.faults.inject({ kind: "clock-jump", by: "1h" });
  const wrong = await rig.event("clock");
  assert.ok((wrong["offset"] as number) > 3_000_000);
  await until("readings are uncertain", () => rig.readings("level").at(-1)?.code === "BadInvalidTimestamp");
  assert.ok(rig.readings().every(({ timestamp }) => timestamp < Date.now() + 60_000));
  plant.faults.clear();
  await rig.event("clock", 2);
  plant.faults.inject({ kind: "clock-jump", by: "-1h" });
  const behind = await rig.event("clock", 3);
  assert.ok((behind["offset"] as number) < -3_000_000);
  assert.ok(Math.abs(rig.readings("level").at(-1)!.timestamp - Date.now() + 3_600_000) < 60_000, "a time in the past is kept");
  plant.faults.clear();
  assert.equal((await rig.event("clock", 4))["state"], "right");
  await goodAgain(rig);
});

test("no-answer: the connection is given up, all is bad, and it recovers", async () => {
  await using rig = await open();
  await goodAgain(rig);
  plant.faults.inject({ kind: "no-answer", protocol: "opcua" });
  assert.match(await lost(rig), /the server does not answer|sends no reports/);
  await until("all is bad", () => ["level", "target"].every((tag) => rig.readings(tag).at(-1)?.code === "BadNoCommunication"));
  plant.faults.clear();
  await goodAgain(rig);
  assert.equal(rig.events("gap").length, 1);
});

test("slow: answers that come late but in time cost nothing", async () => {
  await using rig = await open({ timeout: 3_000 });
  await goodAgain(rig);
  plant.faults.inject({ kind: "slow", protocol: "opcua", delay: 300 });
  const from = rig.readings("level").length;
  await until("twenty levels have come", () => rig.readings("level").length > from + 20);
  plant.faults.clear();
  await goodAgain(rig);
  assert.equal(rig.events("connection").filter(({ state }) => state === "down").length, 0);
});

for (const fault of [{ kind: "drop" }, { kind: "drop", within: true }, { kind: "garbage" }] as const) {
  test(`${JSON.stringify(fault)}: a gap, and all is good again`, async () => {
    await using rig = await open();
    await goodAgain(rig);
    plant.faults.inject({ ...fault, protocol: "opcua", count: 1 });
    await lost(rig);
    const gap = await rig.event("gap");
    assert.ok((gap["to"] as number) >= (gap["from"] as number));
    await goodAgain(rig);
    assert.ok(rig.readings("level").some(({ code }) => code === "BadNoCommunication"));
  });
}

test("refuse: it is tried again and again, one event tells of it", async () => {
  await using rig = await open();
  await goodAgain(rig);
  plant.faults.inject({ kind: "refuse", protocol: "opcua" });
  await lost(rig);
  await until("it has been refused", () => rig.gateway.log.some(({ fields }) => String(fields["reason"]).includes("nothing listens there")));
  plant.faults.clear();
  await goodAgain(rig);
  await rig.event("connection", 3);
  assert.deepEqual(rig.events("connection").map(({ state }) => state), ["up", "down", "up"]);
});

test("restart: the subscriptions are made anew", async () => {
  await using rig = await open();
  await goodAgain(rig);
  plant.faults.inject({ kind: "restart", protocol: "opcua", for: "200ms" });
  await lost(rig);
  assert.equal((await rig.event("gap"))["subscriptions"], "recreated");
  await goodAgain(rig);
});

test("namespace-change: nodes are found again under their new index, by path and by nsu=", async () => {
  await using rig = await open({ nodes: [{ node: "nsu=urn:busbar:opcua-sim;s=tank.target", tag: "wanted" }] });
  await goodAgain(rig);
  plant.faults.inject({ kind: "namespace-change" });
  await lost(rig);
  assert.equal((await rig.event("gap"))["subscriptions"], "recreated");
  await goodAgain(rig);
  await until("the node by URI is good", () => rig.readings("wanted").at(-1)?.value === 50);
});

test("certificate-change: the new certificate is refused, and the old one is good again", async () => {
  await using rig = await open({ security: { policy: "Basic256Sha256" }, timeout: 5_000 });
  const unknown = await lost(rig);
  const [, fingerprint] = /fingerprint ([0-9a-f]{64})/.exec(unknown) ?? [];
  assert.ok(fingerprint !== undefined, unknown);
  await using trusting = await open({ security: { policy: "Basic256Sha256" }, timeout: 5_000, trustedServers: [fingerprint] });
  await goodAgain(trusting);
  plant.faults.inject({ kind: "certificate-change" });
  await lost(trusting);
  await until("it is refused", () => trusting.gateway.log.some(({ fields, level }) => level === "warn" && /^Cannot trust the server/.test(String(fields["reason"])) && !String(fields["reason"]).includes(fingerprint)));
  assert.equal(trusting.readings("level").at(-1)!.code, "BadNoCommunication");
  plant.faults.clear();
  await goodAgain(trusting);
});
