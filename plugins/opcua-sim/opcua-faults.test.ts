import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until } from "@busbar/core/testkit";
import { AttributeIds, type ClientSession, type DataValue, OPCUACertificateManager, OPCUAClient, setErrorLogger, setWarningLogger } from "node-opcua";
import { openSimulatedPlant, type SimulatedPlant } from "./simulated-plant.ts";

/*
 * One plant for the file, as its server takes seconds to start; the tests run in order and clear their faults. Each client is new, so that
 * nothing of the library's own reconnecting hides what a fault does.
 */
setErrorLogger(() => {});
setWarningLogger(() => {});
const folder = mkdtempSync(join(tmpdir(), "busbar-opcua-faults-"));
let plant: SimulatedPlant;
let certificates: OPCUACertificateManager;

before(async () => {
  certificates = new OPCUACertificateManager({ rootFolder: join(folder, "client"), automaticallyAcceptUnknownCertificate: true, disableFileWatchers: true });
  await certificates.initialize();
  plant = await openSimulatedPlant({ plant: { machines: [{ id: "tank", tags: [{ name: "level", signal: { kind: "sine", period: 1_000 } }, { name: "target", signal: { kind: "setpoint", value: 50 } }] }] }, period: 50, allowWrites: true, opcua: { port: 0, pki: join(folder, "pki") }, modbus: { enabled: false } });
  plant.start();
});

after(async () => {
  await plant.close();
  rmSync(folder, { recursive: true, force: true });
});

const newClient = (): OPCUAClient => OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0, initialDelay: 100 }, clientCertificateManager: certificates, transportTimeout: 120_000, keepSessionAlive: false });

async function withSession<T>(use: (session: ClientSession) => Promise<T>): Promise<T> {
  const client = newClient();
  try {
    await client.connect(plant.opcua!.url);
    const session = await client.createSession();
    const result = await use(session);
    await session.close();
    return result;
  } finally {
    await client.disconnect();
  }
}

const read = (session: ClientSession, tag = "level", namespace = 1): Promise<DataValue> => session.read({ nodeId: `ns=${namespace};s=tank.${tag}`, attributeId: AttributeIds.Value });

test("a bad-quality fault is the StatusCode of the tag, and its end is good again", async () => {
  await withSession(async (session) => {
    const { id } = plant.faults.inject({ kind: "bad-quality", machine: "tank", tag: "level", code: "BadSensorFailure" });
    await until("the level is bad", async () => (await read(session)).statusCode.name === "BadSensorFailure");
    assert.equal((await read(session, "target")).statusCode.name, "Good");
    plant.faults.clear(id);
    await until("the level is good again", async () => (await read(session)).statusCode.name === "Good");
  });
});

test("a clock-jump fault is in the SourceTimestamp, and a stuck one in the value", async () => {
  await withSession(async (session) => {
    plant.faults.inject({ kind: "clock-jump", by: "-1h" });
    await until("the source is an hour behind", async () => Math.abs(Date.now() - 3_600_000 - (await read(session)).sourceTimestamp!.getTime()) < 60_000);
    plant.faults.clear();
    await until("the source is right again", async () => Date.now() - (await read(session)).sourceTimestamp!.getTime() < 60_000);
    plant.faults.inject({ kind: "stuck" });
    await until("the level stands still", async () => {
      const first = (await read(session)).value.value as number;
      const at = plant.simulation.now;
      await until("three steps", () => plant.simulation.now > at + 150);
      return (await read(session)).value.value === first;
    });
    plant.faults.clear();
  });
});

test("a no-answer fault holds an answer up until it is over, a slow one delays it", async () => {
  await withSession(async (session) => {
    plant.faults.inject({ kind: "no-answer" });
    let answered = false;
    const answer = read(session).then(() => (answered = true));
    const at = plant.simulation.now;
    await until("four steps", () => plant.simulation.now > at + 200);
    assert.equal(answered, false);
    plant.faults.clear();
    await answer;
    plant.faults.inject({ kind: "slow", delay: 300 });
    const from = performance.now();
    await read(session);
    assert.ok(performance.now() - from >= 295, `answered after ${performance.now() - from} ms`);
    plant.faults.clear();
  });
});

for (const fault of [{ kind: "drop" }, { kind: "drop", within: true }, { kind: "garbage" }] as const) {
  test(`${JSON.stringify(fault)} costs a connection and the next one is good`, async () => {
    await assert.rejects(
      withSession(async (session) => {
        plant.faults.inject({ ...fault, count: 1 });
        await read(session);
      }),
    );
    assert.deepEqual(plant.faults.active, []);
    assert.equal((await withSession((session) => read(session))).statusCode.name, "Good");
  });
}

test("a refuse fault closes the port for a while; what is behind it goes on", async () => {
  plant.faults.inject({ kind: "refuse", protocol: "opcua" });
  const refused = connect(plant.opcua!.port, "127.0.0.1");
  const [error] = (await once(refused, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
  plant.faults.clear();
  await until("the port is open again", () => withSession((session) => read(session)).then(() => true, () => false));
  assert.ok(plant.opcua!.loaded);
});

test("a restart ends the server, which begins anew with the next client", async () => {
  plant.faults.inject({ kind: "restart", protocol: "opcua", for: "200ms" });
  assert.equal(plant.opcua!.loaded, false);
  await until("a client gets through again", () => withSession((session) => read(session)).then(() => true, () => false));
});

test("a namespace-change gives the plant's namespace another index until it is over", async () => {
  const indexOf = () => withSession(async (session) => (await session.readNamespaceArray()).indexOf("urn:busbar:opcua-sim"));
  assert.equal(await indexOf(), 1);
  plant.faults.inject({ kind: "namespace-change" });
  assert.equal(await indexOf(), 2);
  const [there, gone] = await withSession(async (session) => [await read(session, "level", 2), await read(session, "level", 1)]);
  assert.deepEqual([there!.statusCode.name, gone!.statusCode.name], ["Good", "BadNodeIdUnknown"]);
  plant.faults.clear();
  assert.equal(await indexOf(), 1);
});

test("a certificate-change shows a certificate that nobody has seen until it is over", async () => {
  const thumbprint = async (): Promise<string> => {
    const client = newClient();
    try {
      await client.connect(plant.opcua!.url);
      const [endpoint] = await client.getEndpoints();
      return endpoint!.serverCertificate.toString("base64");
    } finally {
      await client.disconnect();
    }
  };
  const before = await thumbprint();
  plant.faults.inject({ kind: "certificate-change" });
  const changed = await thumbprint();
  assert.notEqual(changed, before);
  plant.faults.clear();
  assert.equal(await thumbprint(), before);
});
